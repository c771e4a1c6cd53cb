/* SPDX-License-Identifier: MIT */
/* What init puts into buffers: ranges, shapes, the same bytes each time, other bytes for another
 * set. */
/* single-threaded */
#include "check.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "kernelspec.h"

#define MEMORY_MAX (UINT64_C(1) << 28)

static struct spec *spec;
static struct spec_bound bound;

/* One buffer x (and what more says), bound; false: refused. */
static bool set_up(const char *type, unsigned count, const char *init, const char *more)
{
	char text[1024];
	struct spec_error err;

	snprintf(text, sizeof(text),
		 "[kernel]\nname = t\nfunction = t\n[buffer.x]\ntype = %s\ncount = %u\naccess = "
		 "rw\ninit = %s\n%s",
		 type, count, init, more);
	spec = spec_parse(text, strlen(text), NULL, &err);
	if (spec && !spec_bind(spec, NULL, 0, MEMORY_MAX, &bound, &err))
		return true;
	check_fail(__FILE__, __LINE__, "%s %s: %s", type, init, err.text);
	spec_free(spec);
	return false;
}

static void tear_down(void)
{
	spec_unbind(&bound);
	spec_free(spec);
}

/* The bytes of a buffer, at an odd address in memory of just the right size: owned by the caller,
 * from *base. */
static void *filled(unsigned buffer, unsigned set, void **base)
{
	struct spec_error err;

	*base = malloc(bound.buffers[buffer].bytes + 1);
	CHECK_INT(spec_fill(&bound, buffer, set, (char *)*base + 1, &err), 0);
	return (char *)*base + 1;
}

static double element(const char *type, const void *data, unsigned i)
{
	static const char *const names[] = { "u8",  "u16", "u32", "u64", "i8",
					     "i16", "i32", "i64", "f32", "f64" };
	union {
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
		int8_t i8;
		int16_t i16;
		int32_t i32;
		int64_t i64;
		float f32;
		double f64;
	} v;
	int k = 0;

	while (strcmp(type, names[k]) != 0)
		k++;
	memcpy(&v, (const char *)data + i * bound.buffers[0].element_bytes,
	       bound.buffers[0].element_bytes);
	switch (k) {
	case 0:
		return v.u8;
	case 1:
		return v.u16;
	case 2:
		return v.u32;
	case 3:
		return (double)v.u64;
	case 4:
		return v.i8;
	case 5:
		return v.i16;
	case 6:
		return v.i32;
	case 7:
		return (double)v.i64;
	case 8:
		return v.f32;
	default:
		return v.f64;
	}
}

static void uniform(void)
{
	static const char *const types[] = { "u8", "u16", "u32", "u64", "f32", "f64", NULL };
	static const char *const signed_types[] = { "i8", "i16", "i32", "i64", "f32", "f64", NULL };

	for (int sign = 0; sign < 2; sign++)
		for (const char *const *type = sign ? signed_types : types; *type; type++) {
			double lo = sign ? -20 : 5, hi = sign ? 30 : 100, sum = 0, least = 1e9,
			       most = -1e9;
			unsigned count = 20001;
			void *base, *data;

			if (!set_up(*type, count, sign ? "uniform(-20, 30)" : "uniform(5, 100)",
				    ""))
				continue;
			data = filled(0, 0, &base);
			for (unsigned i = 0; i < count; i++) {
				double v = element(*type, data, i);

				CHECK_MSG(v >= lo && v <= hi, "%s: element %u is %g", *type, i, v);
				sum += v;
				least = fmin(least, v);
				most = fmax(most, v);
			}
			CHECK_NEAR(sum / count, (lo + hi) / 2, (hi - lo) / 50);
			CHECK_NEAR(least, lo, (hi - lo) / 500);
			CHECK_NEAR(most, hi, (hi - lo) / 500);
			free(base);
			tear_down();
		}
}

static void normal(void)
{
	double sum = 0, squares = 0;
	unsigned count = 100000;
	void *base, *data;

	if (!set_up("f64", count, "normal(3, 2)", ""))
		return;
	data = filled(0, 0, &base);
	for (unsigned i = 0; i < count; i++) {
		double v = element("f64", data, i) - 3;

		sum += v;
		squares += v * v;
	}
	CHECK_NEAR(sum / count, 0, 0.03);
	CHECK_NEAR(squares / count, 4, 0.1);
	free(base);
	tear_down();
}

static void constants_and_counting(void)
{
	void *base, *data;

	if (set_up("u8", 1000, "const(0xAA)", "")) {
		data = filled(0, 0, &base);
		CHECK_DOUBLE(element("u8", data, 0), 0xAA);
		CHECK_DOUBLE(element("u8", data, 999), 0xAA);
		free(base);
		tear_down();
	}
	if (set_up("f32", 3, "const(0.1)", "")) {
		data = filled(0, 0, &base);
		CHECK_DOUBLE(element("f32", data, 2), 0.1f);
		free(base);
		tear_down();
	}
	if (set_up("i16", 1000, "iota(5, -3)", "")) {
		data = filled(0, 0, &base);
		CHECK_DOUBLE(element("i16", data, 999), 5 - 3 * 999);
		free(base);
		tear_down();
	}
	if (set_up("u8", 300, "iota(0, 1)", "")) {
		data = filled(0, 0, &base);
		CHECK_DOUBLE(element("u8", data, 299), 43);
		free(base);
		tear_down();
	}
	if (set_up("f64", 5, "iota(0.5, 0.25)", "")) {
		data = filled(0, 0, &base);
		CHECK_DOUBLE(element("f64", data, 4), 1.5);
		free(base);
		tear_down();
	}
	if (set_up("u32", 5, "zero", "")) {
		data = filled(0, 0, &base);
		CHECK_DOUBLE(element("u32", data, 4), 0);
		free(base);
		tear_down();
	}
}

static void permutation(void)
{
	unsigned char seen[256] = { 0 };
	unsigned moved = 0;
	void *base, *data;

	if (!set_up("u8", 256, "perm", ""))
		return;
	data = filled(0, 0, &base);
	for (unsigned i = 0; i < 256; i++) {
		seen[(unsigned)element("u8", data, i)]++;
		moved += (unsigned)element("u8", data, i) != i;
	}
	for (unsigned i = 0; i < 256; i++)
		CHECK_INT(seen[i], 1);
	CHECK_MSG(moved > 200, "only %u moved", moved);
	free(base);
	tear_down();
}

/* The cycle comes back after all nodes and not before. */
static void chase(void)
{
	uint64_t offset = 0, steps = 0;
	void *base, *data;

	if (!set_up("u64", 8 * 1000 + 3, "chase(64)", ""))
		return;
	data = filled(0, 0, &base);
	do {
		CHECK_INT(offset % 64, 0);
		memcpy(&offset, (char *)data + offset, 8);
		steps++;
	} while (offset && steps < 5000);
	CHECK_INT(steps, 1000);
	CHECK_DOUBLE(element("u64", data, 1), 0);
	CHECK_DOUBLE(element("u64", data, 8002), 0);
	free(base);
	tear_down();
}

static void text(void)
{
	void *base, *data;

	if (!set_up("u8", 5000, "text", ""))
		return;
	data = filled(0, 0, &base);
	CHECK_INT(strlen(data), 4999);
	free(base);
	tear_down();
}

static void copies(void)
{
	void *base[3];
	char *data[3];

	if (!set_up("u8", 500, "random",
		    "[buffer.y]\ntype = u8\ncount = 500\naccess = r\ninit = copy(x)\nseed = 77\n"
		    "[buffer.z]\ntype = u8\ncount = 500\naccess = r\ninit = copy(y, 499)\n"))
		return;
	for (unsigned set = 0; set < 20; set++) {
		for (unsigned i = 0; i < 3; i++)
			data[i] = filled(i, set, &base[i]);
		CHECK_MEM(data[0], data[1], 500);
		CHECK_MEM(data[0], data[2], 499);
		CHECK(data[0][499] != data[2][499]);
		for (unsigned i = 0; i < 3; i++)
			free(base[i]);
	}
	tear_down();
}

/* The same (seed, set) gives the same bytes; another set or seed gives others, but for what is not
 * random. */
static void repetition(void)
{
	static const struct {
		const char *type, *init;
		bool random;
	} cases[] = {
		{ "f32", "uniform(-1, 1)", true },
		{ "f64", "normal(0, 1)", true },
		{ "u16", "random", true },
		{ "f32", "random", true },
		{ "u32", "perm", true },
		{ "u64", "chase(8)", true },
		{ "u8", "text", true },
		{ "bool", "random", true },
		{ "i32", "iota(0, 1)", false },
		{ "f64", "const(2)", false },
		{ 0 },
	};

	for (int i = 0; cases[i].type; i++) {
		void *base[4], *data[4];
		size_t bytes;

		if (!set_up(cases[i].type, 777, cases[i].init,
			    "[buffer.y]\ntype = u8\ncount = 1\naccess = r\n"))
			continue;
		bytes = bound.buffers[0].bytes;
		data[0] = filled(0, 0, &base[0]);
		data[1] = filled(0, 0, &base[1]);
		data[2] = filled(0, 1, &base[2]);
		tear_down();
		if (!set_up(cases[i].type, 777, cases[i].init, "seed = 2\n"))
			continue;
		data[3] = filled(0, 0, &base[3]);
		tear_down();
		CHECK_MEM(data[0], data[1], bytes);
		CHECK_MSG((memcmp(data[0], data[2], bytes) != 0) == cases[i].random,
			  "%s: another set", cases[i].init);
		CHECK_MSG((memcmp(data[0], data[3], bytes) != 0) == cases[i].random,
			  "%s: another seed", cases[i].init);
		for (int k = 0; k < 4; k++)
			free(base[k]);
	}
}

/* The generator is part of the contract: a figure is repeated by its seed on another machine. */
static void first_words(void)
{
	void *base;
	uint64_t words[2];

	if (!set_up("u64", 2, "random", "seed = 1\n"))
		return;
	memcpy(words, filled(0, 0, &base), sizeof(words));
	CHECK(words[0] == UINT64_C(0x5858fc074ef2cb9c));
	CHECK(words[1] == UINT64_C(0x0bcbb32585cbf0c0));
	free(base);
	tear_down();
}

int main(void)
{
	RUN(uniform);
	RUN(normal);
	RUN(constants_and_counting);
	RUN(permutation);
	RUN(chase);
	RUN(text);
	RUN(copies);
	RUN(repetition);
	RUN(first_words);
	return check_done();
}
