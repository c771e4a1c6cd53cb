/* SPDX-License-Identifier: MIT */
/*
 * Makes text from a jail fit for a terminal: printable ASCII stays, every other byte becomes \xNN.
 */
#include "launcher_state.h"

#include <stdio.h>

void text_escape(const char *hostile, size_t hostile_size, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < hostile_size && hostile[i]; i++) {
		unsigned char c = (unsigned char)hostile[i];
		bool plain = c >= ' ' && c <= '~' && c != '\\';
		size_t need = plain ? 1 : 4;

		if (used + need >= size)
			break;
		if (plain)
			out[used] = (char)c;
		else
			(void)snprintf(out + used, size - used, "\\x%02x", c);
		used += need;
	}
	out[used] = '\0';
}
