/* SPDX-License-Identifier: MIT */
/*
 * Sorting in place: quicksort with the median of three, heapsort where that degenerates, insertion
 * for short pieces.
 *
 * The C library's qsort(3) allocates, which a run must not. Every scan is bounded by the array, not
 * by what compare says.
 */
#include "imports.h"

#include <string.h>

#define SHORT 12 /* elements that insertion sorts */

struct sort {
	unsigned char *base;
	size_t size;
	sort_compare *compare;
	void *arg;
};

static void swap(const struct sort *s, size_t i, size_t j)
{
	unsigned char *a = s->base + i * s->size, *b = s->base + j * s->size;
	size_t n = s->size;

	for (; n >= 8; n -= 8, a += 8, b += 8) {
		uint64_t x, y;

		memcpy(&x, a, 8);
		memcpy(&y, b, 8);
		memcpy(a, &y, 8);
		memcpy(b, &x, 8);
	}
	for (; n; n--, a++, b++) {
		unsigned char x = *a;

		*a = *b;
		*b = x;
	}
}

static bool less(const struct sort *s, size_t i, size_t j)
{
	return s->compare(s->base + i * s->size, s->base + j * s->size, s->arg) < 0;
}

static void insertion(const struct sort *s, size_t low, size_t high)
{
	for (size_t i = low + 1; i < high; i++)
		for (size_t j = i; j > low && less(s, j, j - 1); j--)
			swap(s, j, j - 1);
}

static void sift(const struct sort *s, size_t low, size_t root, size_t count)
{
	for (;;) {
		size_t child = 2 * root + 1;

		if (child >= count)
			return;
		if (child + 1 < count && less(s, low + child, low + child + 1))
			child++;
		if (!less(s, low + root, low + child))
			return;
		swap(s, low + root, low + child);
		root = child;
	}
}

static void heapsort(const struct sort *s, size_t low, size_t high)
{
	size_t count = high - low;

	for (size_t i = count / 2; i-- > 0;)
		sift(s, low, i, count);
	while (count > 1) {
		count--;
		swap(s, low, low + count);
		sift(s, low, 0, count);
	}
}

/* Parts [low, high) around the median of three; returns where the pivot came to stand. */
static size_t partition(const struct sort *s, size_t low, size_t high)
{
	size_t middle = low + (high - low) / 2, i = low, j = high;

	if (less(s, middle, low))
		swap(s, middle, low);
	if (less(s, high - 1, middle)) {
		swap(s, high - 1, middle);
		if (less(s, middle, low))
			swap(s, middle, low);
	}
	swap(s, low, middle);
	for (;;) {
		while (++i < high && less(s, i, low))
			;
		while (--j > low && less(s, low, j))
			;
		if (i >= j)
			break;
		swap(s, i, j);
	}
	swap(s, low, j);
	return j;
}

/* Recurses into the smaller part only, so that depth is at most the number of bits of a count. */
static void quick(const struct sort *s, size_t low, size_t high, unsigned depth)
{
	while (high - low > SHORT) {
		size_t pivot;

		if (depth-- == 0) {
			heapsort(s, low, high);
			return;
		}
		pivot = partition(s, low, high);
		if (pivot - low < high - pivot - 1) {
			quick(s, low, pivot, depth);
			low = pivot + 1;
		} else {
			quick(s, pivot + 1, high, depth);
			high = pivot;
		}
	}
	insertion(s, low, high);
}

void sort_array(void *base, size_t count, size_t size, sort_compare *compare, void *arg)
{
	struct sort s = { .base = base, .size = size, .compare = compare, .arg = arg };

	if (count < 2 || size == 0)
		return;
	quick(&s, 0, count, 2 * (64 - __builtin_clzll(count)));
}
