/* SPDX-License-Identifier: MIT */
/* References for kernels that move, compare, sort and hash: copy, set, cmp, strlen, sort, crc32,
 * adler32, xxh64. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernelref.h"

#define ADLER_BASE 65521
#define ADLER_RUN  4096

static const void *input(const struct ref_run *run, unsigned arg)
{
	return run->outcome->inputs[run->args[arg].buffer];
}

static enum spec_type type_of(const struct ref_run *run, unsigned arg)
{
	return run->bound->buffers[run->args[arg].buffer].type;
}

static struct ref_value exactly(long double value)
{
	return (struct ref_value){ .value = value };
}

static struct ref_value untouched(void)
{
	return (struct ref_value){ .untouched = true };
}

/* ---- copy(dst, src, n) and set(dst, c, n): both return dst ----------------------------------- */

static void copy_touches(const struct ref_arg *args, uint64_t *elements)
{
	elements[0] = elements[1] = args[2].i;
}

static void copy_elements(const struct ref_run *run, uint64_t first, unsigned count,
			  struct ref_value *out)
{
	for (unsigned i = 0; i < count; i++)
		out[i] = first + i < run->args[2].i
				 ? exactly(ref_load(type_of(run, 1), input(run, 1), first + i))
				 : untouched();
}

static void first_address(const struct ref_run *run, struct ref_value *out)
{
	*out = exactly((long double)run->outcome->addresses[run->args[0].buffer]);
}

static void set_touches(const struct ref_arg *args, uint64_t *elements)
{
	elements[0] = args[2].i;
}

static void set_elements(const struct ref_run *run, uint64_t first, unsigned count,
			 struct ref_value *out)
{
	enum spec_type type = type_of(run, 0);
	char stored[8];
	struct ref_value value;

	/* As the element type holds it: memset's int is cut to a byte. */
	ref_store(type, stored, 0, run->args[1].f);
	value = exactly(ref_load(type, stored, 0));
	for (unsigned i = 0; i < count; i++)
		out[i] = first + i < run->args[2].i ? value : untouched();
}

/* ---- cmp(a, b, n) and strlen(s) -------------------------------------------------------------- */

static void cmp_returned(const struct ref_run *run, struct ref_value *out)
{
	enum spec_type type = type_of(run, 0);

	*out = exactly(0);
	for (uint64_t i = 0; i < run->args[2].i; i++) {
		long double a = ref_load(type, input(run, 0), i),
			    b = ref_load(type, input(run, 1), i);

		if (a != b) {
			*out = exactly(a < b ? -1 : 1);
			return;
		}
	}
}

static void nothing_touched(const struct ref_arg *args, uint64_t *elements)
{
	(void)args;
	(void)elements;
}

static void strlen_returned(const struct ref_run *run, struct ref_value *out)
{
	uint64_t count = run->bound->buffers[run->args[0].buffer].count;

	*out = exactly((long double)(count ? strnlen(input(run, 0), count) : 0));
}

/* ---- sort(buffer) ---------------------------------------------------------------------------- */

static int compare_u32(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static int compare_i32(const void *a, const void *b)
{
	int32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static int compare_f64(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static int sort_prepare(struct ref_run *run)
{
	const struct spec_buffer *buffer = &run->bound->buffers[run->args[0].buffer];

	run->work = malloc(buffer->bytes + 1);
	if (!run->work)
		return -ENOMEM;
	if (!buffer->bytes)
		return 0;
	memcpy(run->work, input(run, 0), buffer->bytes);
	qsort(run->work, buffer->count, buffer->element_bytes,
	      buffer->type == SPEC_U32   ? compare_u32
	      : buffer->type == SPEC_I32 ? compare_i32
					 : compare_f64);
	return 0;
}

static void free_work(struct ref_run *run)
{
	free(run->work);
	run->work = NULL;
}

static void sort_elements(const struct ref_run *run, uint64_t first, unsigned count,
			  struct ref_value *out)
{
	for (unsigned i = 0; i < count; i++)
		out[i] = exactly(ref_load(type_of(run, 0), run->work, first + i));
}

/* ---- checksums and hashes -------------------------------------------------------------------- */

static void middle_touches(const struct ref_arg *args, uint64_t *elements)
{
	elements[1] = args[2].i;
}

/* CRC-32 of RFC 1952, a byte at a time; crc is what came before, as in zlib. */
static void crc32_returned(const struct ref_run *run, struct ref_value *out)
{
	const uint8_t *p = input(run, 1);
	uint32_t crc = ~(uint32_t)run->args[0].i, table[256];

	for (uint32_t byte = 0; byte < 256; byte++) {
		table[byte] = byte;
		for (int bit = 0; bit < 8; bit++)
			table[byte] =
				(table[byte] >> 1) ^ (table[byte] & 1 ? UINT32_C(0xedb88320) : 0);
	}
	for (uint64_t i = 0; i < run->args[2].i; i++)
		crc = (crc >> 8) ^ table[(crc ^ p[i]) & 0xff];
	*out = exactly((long double)(uint32_t)~crc);
}

/* RFC 1950. */
static void adler32_returned(const struct ref_run *run, struct ref_value *out)
{
	const uint8_t *p = input(run, 1);
	uint64_t a = run->args[0].i & 0xffff, b = (run->args[0].i >> 16) & 0xffff;

	for (uint64_t i = 0; i < run->args[2].i; i++) {
		a += p[i];
		b += a;
		if (i % ADLER_RUN == ADLER_RUN - 1) { /* long before 64 bits are full */
			a %= ADLER_BASE;
			b %= ADLER_BASE;
		}
	}
	*out = exactly((long double)((b % ADLER_BASE) << 16 | a % ADLER_BASE));
}

#define XXH_1 UINT64_C(0x9e3779b185ebca87)
#define XXH_2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define XXH_3 UINT64_C(0x165667b19e3779f9)
#define XXH_4 UINT64_C(0x85ebca77c2b2ae63)
#define XXH_5 UINT64_C(0x27d4eb2f165667c5)

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static uint64_t little(const uint8_t *p, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

static uint64_t xxh_round(uint64_t acc, uint64_t lane)
{
	return rotate(acc + lane * XXH_2, 31) * XXH_1;
}

static uint64_t xxh_stripes(const uint8_t *p, uint64_t n, uint64_t seed)
{
	uint64_t v[4] = { seed + XXH_1 + XXH_2, seed + XXH_2, seed, seed - XXH_1 }, hash;

	for (; n >= 32; p += 32, n -= 32)
		for (unsigned i = 0; i < 4; i++)
			v[i] = xxh_round(v[i], little(p + 8 * i, 8));
	hash = rotate(v[0], 1) + rotate(v[1], 7) + rotate(v[2], 12) + rotate(v[3], 18);
	for (unsigned i = 0; i < 4; i++)
		hash = (hash ^ xxh_round(0, v[i])) * XXH_1 + XXH_4;
	return hash;
}

/* The xxHash specification, "XXH64 Algorithm Description". */
static uint64_t xxh64(const uint8_t *p, uint64_t n, uint64_t seed)
{
	uint64_t hash = (n >= 32 ? xxh_stripes(p, n, seed) : seed + XXH_5) + n;

	p += n & ~UINT64_C(31);
	n &= 31;
	for (; n >= 8; p += 8, n -= 8)
		hash = rotate(hash ^ xxh_round(0, little(p, 8)), 27) * XXH_1 + XXH_4;
	if (n >= 4) {
		hash = rotate(hash ^ little(p, 4) * XXH_1, 23) * XXH_2 + XXH_3;
		p += 4;
		n -= 4;
	}
	for (; n; p++, n--)
		hash = rotate(hash ^ *p * XXH_5, 11) * XXH_1;
	hash = (hash ^ hash >> 33) * XXH_2;
	hash = (hash ^ hash >> 29) * XXH_3;
	return hash ^ hash >> 32;
}

static void xxh64_touches(const struct ref_arg *args, uint64_t *elements)
{
	elements[0] = args[1].i;
}

static void xxh64_returned(const struct ref_run *run, struct ref_value *out)
{
	static const uint8_t none[1];
	const uint8_t *p = input(run, 0);

	*out = exactly((long double)xxh64(p ? p : none, run->args[1].i, run->args[2].i));
}

const struct reference ref_bytes[] = {
	{ .name = "copy",
	  .args = "Bbi",
	  .returns = "p",
	  .touches = copy_touches,
	  .elements = copy_elements,
	  .returned = first_address },
	{ .name = "set",
	  .args = "Bni",
	  .returns = "p",
	  .touches = set_touches,
	  .elements = set_elements,
	  .returned = first_address },
	{ .name = "cmp",
	  .args = "bbi",
	  .returns = "i",
	  .sign_only = true,
	  .touches = copy_touches,
	  .returned = cmp_returned },
	{ .name = "strlen",
	  .args = "c",
	  .returns = "i",
	  .touches = nothing_touched,
	  .returned = strlen_returned },
	{ .name = "sort",
	  .args = "S",
	  .returns = "",
	  .touches = nothing_touched,
	  .prepare = sort_prepare,
	  .release = free_work,
	  .elements = sort_elements },
	{ .name = "crc32",
	  .args = "ici",
	  .returns = "i",
	  .touches = middle_touches,
	  .returned = crc32_returned },
	{ .name = "adler32",
	  .args = "ici",
	  .returns = "i",
	  .touches = middle_touches,
	  .returned = adler32_returned },
	{ .name = "xxh64",
	  .args = "cii",
	  .returns = "i",
	  .touches = xxh64_touches,
	  .returned = xxh64_returned },
	{ 0 },
};
