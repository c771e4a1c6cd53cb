/* SPDX-License-Identifier: MIT */
/*
 * Our own imports that concern memory: the malloc family over the run's arena, sorting, and the
 * length-checked functions.
 */
#include "imports.h"

#include <errno.h>
#include <string.h>

/* Their prototypes are the C library's; nobody but a codelet calls them, by address. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

struct heap imports_heap;

/* ---- malloc ---------------------------------------------------------------------------------- */

void *import_malloc(size_t bytes)
{
	return heap_alloc(&imports_heap, 1, bytes, NULL);
}

void import_free(void *block)
{
	if (block && heap_free(&imports_heap, block) < 0)
		imports_ended("free of what malloc did not give", NULL);
}

void *import_calloc(size_t count, size_t size)
{
	size_t bytes;
	bool fresh;
	void *block;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	block = heap_alloc(&imports_heap, 1, bytes, &fresh);
	if (block && !fresh)
		memset(block, 0, bytes);
	return block;
}

void *import_realloc(void *block, size_t bytes)
{
	size_t old;
	void *moved;

	if (!block)
		return import_malloc(bytes);
	old = heap_usable(&imports_heap, block);
	if (!old)
		imports_ended("realloc of what malloc did not give", NULL);
	if (bytes == 0) {
		import_free(block);
		return NULL;
	}
	if (bytes <= old)
		return block;
	moved = import_malloc(bytes);
	if (moved) {
		memcpy(moved, block, old);
		import_free(block);
	}
	return moved;
}

void *import_reallocarray(void *block, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return import_realloc(block, bytes);
}

void *import_aligned_alloc(size_t align, size_t bytes)
{
	if (align == 0 || (align & (align - 1))) {
		errno = EINVAL;
		return NULL;
	}
	return heap_alloc(&imports_heap, align, bytes, NULL);
}

void *import_memalign(size_t align, size_t bytes)
{
	return import_aligned_alloc(align, bytes);
}

int import_posix_memalign(void **out, size_t align, size_t bytes)
{
	int saved = errno;
	void *block;

	if (align < sizeof(void *) || (align & (align - 1)))
		return EINVAL;
	block = import_aligned_alloc(align, bytes);
	errno = saved;
	if (!block)
		return ENOMEM;
	*out = block;
	return 0;
}

size_t import_malloc_usable_size(void *block)
{
	return block ? heap_usable(&imports_heap, block) : 0;
}

char *import_strndup(const char *text, size_t max)
{
	size_t n = strnlen(text, max);
	char *copy = import_malloc(n + 1);

	if (copy) {
		memcpy(copy, text, n);
		copy[n] = '\0';
	}
	return copy;
}

char *import_strdup(const char *text)
{
	return import_strndup(text, SIZE_MAX - 1);
}

/* ---- sorting --------------------------------------------------------------------------------- */

struct two_argument {
	int (*compare)(const void *a, const void *b);
};

static int compare_two(const void *a, const void *b, void *arg)
{
	return ((const struct two_argument *)arg)->compare(a, b);
}

void import_qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	struct two_argument two = { compare };

	sort_array(base, count, size, compare_two, &two);
}

void import_qsort_r(void *base, size_t count, size_t size, sort_compare *compare, void *arg)
{
	sort_array(base, count, size, compare, arg);
}

/* ---- what -D_FORTIFY_SOURCE calls ------------------------------------------------------------ */

static void check(bool fits, const char *name)
{
	if (!fits)
		imports_ended(name, NULL);
}

void *import___memcpy_chk(void *to, const void *from, size_t n, size_t room)
{
	check(n <= room, "__memcpy_chk");
	return memcpy(to, from, n);
}

void *import___memmove_chk(void *to, const void *from, size_t n, size_t room)
{
	check(n <= room, "__memmove_chk");
	return memmove(to, from, n);
}

void *import___mempcpy_chk(void *to, const void *from, size_t n, size_t room)
{
	check(n <= room, "__mempcpy_chk");
	return mempcpy(to, from, n);
}

void *import___memset_chk(void *to, int value, size_t n, size_t room)
{
	check(n <= room, "__memset_chk");
	return memset(to, value, n);
}

void import___explicit_bzero_chk(void *to, size_t n, size_t room)
{
	check(n <= room, "__explicit_bzero_chk");
	explicit_bzero(to, n);
}

char *import___stpcpy_chk(char *to, const char *from, size_t room)
{
	size_t n = strlen(from);

	check(n < room, "__stpcpy_chk");
	memcpy(to, from, n + 1);
	return to + n;
}

char *import___strcpy_chk(char *to, const char *from, size_t room)
{
	size_t n = strlen(from);

	check(n < room, "__strcpy_chk");
	return memcpy(to, from, n + 1);
}

char *import___stpncpy_chk(char *to, const char *from, size_t n, size_t room)
{
	check(n <= room, "__stpncpy_chk");
	return stpncpy(to, from, n);
}

char *import___strncpy_chk(char *to, const char *from, size_t n, size_t room)
{
	check(n <= room, "__strncpy_chk");
	return strncpy(to, from, n);
}

char *import___strncat_chk(char *to, const char *from, size_t max, size_t room)
{
	size_t have = strnlen(to, room), n = strnlen(from, max);

	check(n < room - have, "__strncat_chk");
	memcpy(to + have, from, n);
	to[have + n] = '\0';
	return to;
}

char *import___strcat_chk(char *to, const char *from, size_t room)
{
	return import___strncat_chk(to, from, SIZE_MAX, room);
}
