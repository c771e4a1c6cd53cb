/* SPDX-License-Identifier: MIT */
/*
 * The imports that are our own and the plan of a run, in this process and under its sanitizers:
 * heap, sorting, length checks, arithmetic helpers, small floats, bounds of plans.
 * single-threaded
 */
#include "check.h"

#include "../../backends/jailed/imports_heap.c"
#include "../../backends/jailed/imports_sort.c"
#include "../../backends/jailed/imports_memory.c"
#include "../../backends/jailed/imports_compiler.c"
#include "../../backends/jailed/runner_plan.c"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

/* ---- what the runner gives them ---------------------------------------------------- */

static jmp_buf ended_at;
static const char *volatile ended_by;

_Noreturn void imports_ended(const char *name, const uint64_t *sp)
{
	(void)sp;
	ended_by = name;
	longjmp(ended_at, 1);
}

#define CHECK_ENDS(call, name)                                                                     \
	do {                                                                                       \
		ended_by = NULL;                                                                   \
		if (!setjmp(ended_at))                                                             \
			(void)(call);                                                              \
		CHECK_STR(ended_by, name);                                                         \
	} while (0)

int runner_refuse(struct elf_error *err, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return rc;
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

/* ---- heap -------------------------------------------------------------------------- */

#define AREA (1u << 20)
static _Alignas(4096) unsigned char area[AREA];

static void sizes_have_classes(void)
{
	for (size_t bytes = 0; bytes < 100000; bytes++) {
		unsigned class = class_of(bytes);

		CHECK_MSG(class_bytes(class) >= bytes, "%zu bytes in class %u", bytes, class);
		CHECK_MSG(class == 0 || class_bytes(class - 1) < bytes, "%zu bytes in class %u",
			  bytes, class);
	}
	CHECK(class_of(1ull << 48) < HEAP_CLASSES);
}

/* Blocks filled with a byte of their own stay so until they are freed. */
static void blocks_do_not_overlap(void)
{
	struct {
		unsigned char *at;
		size_t bytes;
		unsigned char fill;
	} live[64] = { { 0 } };
	struct heap heap;

	heap_init(&heap, area, AREA);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned k = next() % 64;
		size_t align = (size_t)1 << (next() % 13);

		for (size_t j = 0; live[k].at && j < live[k].bytes; j++)
			REQUIRE(live[k].at[j] == live[k].fill);
		if (live[k].at)
			CHECK_INT(heap_free(&heap, live[k].at), 0);
		live[k].bytes = next() % 3000;
		live[k].fill = next();
		live[k].at = heap_alloc(&heap, align, live[k].bytes, NULL);
		if (!live[k].at)
			continue;
		CHECK_INT((uintptr_t)live[k].at % align, 0);
		REQUIRE(live[k].at >= area &&
			live[k].at + heap_usable(&heap, live[k].at) <= area + AREA);
		REQUIRE(heap_usable(&heap, live[k].at) >= live[k].bytes);
		memset(live[k].at, live[k].fill, live[k].bytes);
	}
}

static void a_heap_ends(void)
{
	struct heap heap;

	heap_init(&heap, area, 1000);
	errno = 0;
	CHECK(heap_alloc(&heap, 1, 2000, NULL) == NULL);
	CHECK_INT(errno, ENOMEM);
	CHECK(heap_alloc(&heap, 1, SIZE_MAX, NULL) == NULL);
	CHECK(heap_alloc(&heap, (size_t)1 << 63, 1, NULL) == NULL);
	while (heap_alloc(&heap, 1, 16, NULL))
		;
	CHECK(heap.used <= 1000);
	heap_init(&heap, NULL, 0);
	CHECK(heap_alloc(&heap, 1, 0, NULL) == NULL);
}

static void a_heap_knows_its_blocks(void)
{
	struct heap heap;
	unsigned char *block;

	heap_init(&heap, area, AREA);
	block = heap_alloc(&heap, 1, 100, NULL);
	CHECK_INT(heap_free(&heap, block + 16), -EINVAL);
	CHECK_INT(heap_free(&heap, block + 1), -EINVAL);
	CHECK_INT(heap_free(&heap, &heap), -EINVAL);
	CHECK_INT(heap_free(&heap, block), 0);
	CHECK_INT(heap_free(&heap, block), -EINVAL);
}

static void the_malloc_family(void)
{
	unsigned char *block, *zeros;
	void *out = NULL;

	heap_init(&imports_heap, area, AREA);
	memset(area, 0, AREA);
	block = import_malloc(100);
	memset(block, 0xff, 100);
	import_free(block);
	zeros = import_calloc(10, 10);
	CHECK(zeros == block && zeros[0] == 0 && zeros[99] == 0);
	CHECK(import_calloc(SIZE_MAX, 2) == NULL);
	CHECK(import_reallocarray(zeros, SIZE_MAX, 2) == NULL);
	zeros[99] = 7;
	block = import_realloc(zeros, 5000);
	CHECK(block && block[99] == 7 && import_malloc_usable_size(block) >= 5000);
	CHECK(import_realloc(block, 10) == block);
	CHECK(import_realloc(block, 0) == NULL);
	CHECK_INT(import_posix_memalign(&out, 3, 10), EINVAL);
	CHECK_INT(import_posix_memalign(&out, 256, 10), 0);
	CHECK_INT((uintptr_t)out % 256, 0);
	CHECK_STR(import_strdup("some text"), "some text");
	CHECK_STR(import_strndup("some text", 4), "some");
	import_free(NULL);
	CHECK_ENDS((import_free(area + 8), 0), "free of what malloc did not give");
}

/* ---- sorting ----------------------------------------------------------------------- */

static int by_word(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static uint32_t value_of(unsigned kind, size_t i, size_t count)
{
	switch (kind) {
	case 0:
		return next();
	case 1:
		return i;
	case 2:
		return count - i;
	case 3:
		return next() % 4;
	default:
		return i < count / 2 ? i : count - i;
	}
}

static void check_sorting(size_t count, size_t size, unsigned kind)
{
	unsigned char *array = calloc(count + 1, size);
	uint64_t before = 0, after = 0;
	uint32_t value;

	for (size_t i = 0; i < count; i++) {
		value = value_of(kind, i, count);
		memcpy(array + i * size, &value, 4);
		memset(array + i * size + 4, (int)value, size - 4);
		before += value * 2654435761u;
	}
	import_qsort(array, count, size, by_word);
	for (size_t i = 0; i < count; i++) {
		memcpy(&value, array + i * size, 4);
		after += value * 2654435761u;
		CHECK(i == 0 || by_word(array + (i - 1) * size, array + i * size) <= 0);
		CHECK(size == 4 ||
		      array[i * size + size - 1] == (unsigned char)value); /* elements move whole */
	}
	CHECK(before == after);
	free(array);
}

static void arrays_get_sorted(void)
{
	static const size_t counts[] = { 0, 1, 2, 3, 12, 13, 100, 1000, 20000 },
			    sizes[] = { 4, 5, 8, 12, 24 };

	for (unsigned c = 0; c < 9; c++)
		for (unsigned s = 0; s < 5; s++)
			for (unsigned kind = 0; kind < 5; kind++)
				check_sorting(counts[c], sizes[s], kind);
}

static size_t comparisons;
static int liar(const void *a, const void *b, void *arg)
{
	const uint32_t *array = arg, *x = a, *y = b;

	comparisons++;
	CHECK(x >= array && x < array + 5000 && y >= array && y < array + 5000);
	return comparisons % 3 == 0 ? 1 : -1;
}

static int always_less(const void *a, const void *b, void *arg)
{
	(void)liar(a, b, arg);
	return -1;
}

static void inconsistent_orders_end(void)
{
	uint32_t *array = calloc(5000, sizeof(*array));

	comparisons = 0;
	import_qsort_r(array, 5000, 4, liar, array);
	import_qsort_r(array, 5000, 4, always_less, array);
	CHECK_MSG(comparisons < 5000 * 200, "%zu comparisons", comparisons);
	free(array);
}

/* ---- length checks, helpers -------------------------------------------------------- */

static void lengths_are_checked(void)
{
	char room[8] = "";

	CHECK_STR(import___strcpy_chk(room, "seven77", 8), "seven77");
	CHECK_ENDS(import___strcpy_chk(room, "eight888", 8), "__strcpy_chk");
	CHECK_STR(import___strcpy_chk(room, "abc", 8), "abc");
	CHECK_STR(import___strcat_chk(room, "defg", 8), "abcdefg");
	CHECK_ENDS(import___strcat_chk(room, "h", 8), "__strncat_chk");
	CHECK_ENDS(import___memcpy_chk(room, "123456789", 9, 8), "__memcpy_chk");
	CHECK_ENDS(import___memset_chk(room, 0, SIZE_MAX, 8), "__memset_chk");
	CHECK(import___stpcpy_chk(room, "xy", 8) == room + 2);
	CHECK_ENDS(import___strncpy_chk(room, "x", 9, 8), "__strncpy_chk");
}

static void arithmetic_that_traps(void)
{
	__int128 big = (__int128)1 << 126;
	int overflow = 0;

	CHECK_INT(import___addvsi3(1, 2), 3);
	CHECK_ENDS(import___addvsi3(INT32_MAX, 1), "__addvsi3");
	CHECK_ENDS(import___subvdi3(INT64_MIN, 1), "__subvdi3");
	CHECK_ENDS(import___negvdi2(INT64_MIN), "__negvdi2");
	CHECK_ENDS(import___absvsi2(INT32_MIN), "__absvsi2");
	CHECK_INT(import___absvdi2(-5), 5);
	CHECK_ENDS(import___mulvti3(big, 2), "__mulvti3");
	CHECK(import___mulvti3(big, -2) == -big * 2);
	CHECK_INT(import___mulosi4(-3, 4, &overflow), -12);
	CHECK_INT(overflow, 0);
	import___muloti4(-big, 3, &overflow);
	CHECK_INT(overflow, 1);
	CHECK_INT(import___muloti4(-7, -6, &overflow), 42);
	CHECK_INT(overflow, 0);
}

static void half_precision(void)
{
	for (unsigned half = 0; half < 65536; half++) { /* all of them, there and back */
		float value = import___gnu_h2f_ieee(half);

		if ((half & 0x7fff) > 0x7c00)
			CHECK(isnan(value) &&
			      isnan(import___gnu_h2f_ieee(import___gnu_f2h_ieee(value))));
		else
			CHECK_INT(import___gnu_f2h_ieee(value), half);
	}
	CHECK_INT(import___gnu_f2h_ieee(65519.0f), 0x7bff);
	CHECK_INT(import___gnu_f2h_ieee(65520.0f), 0x7c00);
	CHECK_INT(import___gnu_f2h_ieee(1e30f), 0x7c00);
	CHECK_INT(import___gnu_f2h_ieee(0x1p-25f), 0); /* a tie, to even */
	CHECK_INT(import___gnu_f2h_ieee(0x1.8p-25f), 1);
	CHECK_INT(import___gnu_f2h_ieee(1 + 0x1p-11f), 0x3c00);
	CHECK_INT(import___gnu_f2h_ieee(1 + 0x3p-11f), 0x3c02);
}

static void brain_floats(void)
{
	CHECK_INT(bits_of(import___truncsfbf2(1.0f)), 0x3f80);
	CHECK_INT(bits_of(import___truncsfbf2(-2.5f)), 0xc020);
	CHECK_INT(bits_of(import___truncsfbf2(1 + 0x1p-8f)), 0x3f80); /* ties, to even */
	CHECK_INT(bits_of(import___truncsfbf2(1 + 0x3p-8f)), 0x3f82);
	CHECK_INT(bits_of(import___truncsfbf2(INFINITY)), 0x7f80);
	CHECK((bits_of(import___truncsfbf2(NAN)) & 0x7fff) > 0x7f80);
	CHECK_INT(bits_of(import___truncdfbf2(1 + 0x1p-8 + 0x1p-40)),
		  0x3f81); /* rounding twice would give 0x3f80 */
	CHECK_INT(bits_of(import___truncdfbf2(1 + 0x1p-8 - 0x1p-40)), 0x3f80);
	CHECK_INT(bits_of(import___truncdfbf2(-(1 + 0x3p-8 - 0x1p-40))), 0xbf81);
}

/* ---- plans ------------------------------------------------------------------------- */

static struct wire_plan good_plan(void)
{
	struct wire_plan plan = {
		.nsets = 2, .nbuffers = 1, .nargs = 2, .cpu = -1, .function = "f"
	};

	for (unsigned i = 0; i < 2; i++)
		plan.buffers[i] = (struct wire_buffer){ .file_offset = i * 8192,
							.map_bytes = 8192,
							.data_offset = 100,
							.data_bytes = 8092,
							.pristine_offset = UINT64_MAX };
	plan.args[0] = (struct wire_arg){ .class = WIRE_PTR, .value = 8 };
	plan.args[1] = (struct wire_arg){ .class = WIRE_FN, .buffer = WIRE_CMP_F64 };
	return plan;
}

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		struct wire_plan plan = good_plan();                                               \
		struct elf_error err = { .text = "" };                                             \
                                                                                                   \
		change;                                                                            \
		CHECK_MSG(runner_plan_check(&plan, 16384, &err) == -EINVAL && err.text[0],         \
			  "accepted: %s", #change);                                                \
	} while (0)

static void plans_have_bounds(void)
{
	struct wire_plan whole = good_plan();
	struct elf_error why;

	CHECK_INT(runner_plan_check(&whole, 16384, &why), 0);
	REFUSED(plan.nsets = 0);
	REFUSED(plan.nsets = WIRE_SETS_MAX + 1);
	REFUSED(plan.nbuffers = WIRE_BUFFERS_MAX / 2 + 1);
	REFUSED(plan.nbuffers = UINT32_MAX);
	REFUSED(plan.nargs = WIRE_ARGS_MAX + 1);
	REFUSED(plan.args[0].class = 0);
	REFUSED(plan.args[0].class = WIRE_FN + 1);
	REFUSED(plan.args[0].buffer = 1);
	REFUSED(plan.args[1].buffer = WIRE_CMP_U32_R + 1);
	REFUSED(plan.buffers[1].file_offset = 12288);
	REFUSED(plan.buffers[1].file_offset = 1);
	REFUSED(plan.buffers[1].file_offset = -8192ull);
	REFUSED(plan.buffers[0].map_bytes = 8191);
	REFUSED(plan.buffers[0].map_bytes = -4096ull);
	REFUSED(plan.buffers[0].data_offset = 101);
	REFUSED(plan.buffers[0].data_bytes = UINT64_MAX);
	REFUSED(plan.buffers[0].map_bytes = 0);
	REFUSED(plan.buffers[0].pristine_offset = 12288);
	REFUSED(plan.buffers[0].writable = 2);
	REFUSED(memset(plan.function, 'f', sizeof(plan.function)));
	REFUSED(plan.ret = WIRE_RET_F64 + 1);
	REFUSED(plan.mode = WIRE_LATENCY + 1);
	REFUSED(plan.cache = WIRE_FLUSH + 1);
	REFUSED(plan.samples = WIRE_SAMPLES_MAX + 1);
	REFUSED(plan.overhead_samples = RUNNER_OVERHEAD_SAMPLES_MAX + 1);
	REFUSED(plan.batch = UINT32_MAX);
	REFUSED(plan.batch_max = UINT32_MAX);
	REFUSED(plan.cpu = -2);
	REFUSED(plan.cpu = 1024);
}

static void arguments_become_registers(void)
{
	struct wire_plan plan = good_plan();
	uint64_t address = 4096;
	struct runner_args args;

	plan.nargs = WIRE_ARGS_MAX;
	for (unsigned i = 2; i < WIRE_ARGS_MAX; i++)
		plan.args[i] =
			(struct wire_arg){ .class = i % 2 ? WIRE_F64 : WIRE_INT, .value = i };
	plan.args[15].class = WIRE_INT;
	runner_plan_args(&plan, &address, imports_builtin, &args);
	CHECK_INT(args.ints[0], 4104);
	CHECK_INT(args.ints[1], imports_builtin(WIRE_CMP_F64));
	CHECK_INT(args.ints[5], 8);
	CHECK_INT(args.nfloats, 6);
	CHECK_INT(args.floats[5], 13);
	CHECK_INT(args.nstack, 4);
	CHECK_INT(args.stack[0], 10);
	CHECK_INT(args.stack[3], 15);
}

static void medians(void)
{
	uint64_t values[101];

	for (unsigned i = 0; i < 101; i++)
		values[i] = (i * 37) % 101;
	CHECK_INT(runner_median(values, 101), 50);
	CHECK_INT(runner_median(values, 1), 0);
	CHECK_INT(runner_median(values, 0), 0);
}

int main(void)
{
	RUN(sizes_have_classes);
	RUN(blocks_do_not_overlap);
	RUN(a_heap_ends);
	RUN(a_heap_knows_its_blocks);
	RUN(the_malloc_family);
	RUN(arrays_get_sorted);
	RUN(inconsistent_orders_end);
	RUN(lengths_are_checked);
	RUN(arithmetic_that_traps);
	RUN(half_precision);
	RUN(brain_floats);
	RUN(plans_have_bounds);
	RUN(arguments_become_registers);
	RUN(medians);
	return check_done();
}
