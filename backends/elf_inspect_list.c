/* SPDX-License-Identifier: MIT */
/*
 * A list of lines that is cut where it is full.
 */
#include "elf_inspect.h"

#include <stdarg.h>
#include <stdio.h>

#define TAIL 32 /* room for the line that says how many were left out */

void elf_list_add(struct elf_list *list, const char *format, ...)
{
	size_t room = list->max - list->used - TAIL;
	va_list args;
	int len;

	if (list->more != 0) {
		list->more++;
		return;
	}
	va_start(args, format);
	len = vsnprintf(list->text + list->used, room, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= room)
		list->more = 1;
	else
		list->used += (size_t)len;
}

size_t elf_list_end(struct elf_list *list)
{
	if (list->more != 0)
		list->used += (size_t)snprintf(list->text + list->used, TAIL, "... %ju more\n",
					       (uintmax_t)list->more);
	return list->used;
}
