/* SPDX-License-Identifier: MIT */
/*
 * Names out of a file, made fit to be shown.
 */
#include "elf.h"

size_t elf_escape(const char *name, size_t len, char *out, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	size_t used = 0;

	if (size == 0)
		return 0;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		bool plain = c >= '!' && c <= '~' && c != '\\';

		if (size - used <= (plain ? 1u : 4u))
			break;
		if (plain) {
			out[used++] = (char)c;
			continue;
		}
		out[used++] = '\\';
		out[used++] = 'x';
		out[used++] = digits[c >> 4];
		out[used++] = digits[c & 15];
	}
	out[used] = '\0';
	return used;
}
