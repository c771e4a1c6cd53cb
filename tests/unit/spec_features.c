/* SPDX-License-Identifier: MIT */
/* What a good specification means: joined lines, lists, values, buffers, arguments, defaults and
 * metrics. */
/* single-threaded */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "kernelspec.h"

static const char whole[] = "# all of it\n"
			    "[metrics]\n"
			    "flop = 2*n\n"
			    "bytes_read = 4*n\n"
			    "items = n\n"
			    "metric.ipc = instructions/cycles\n"
			    "metric.flop_per_cycle = flop/cycles\n"
			    "metric.bad = 1/(n-n)\n"
			    "metric.unknown = page_faults * 2\n"
			    "[kernel]\n"
			    "name = all ; a comment\n"
			    "namespace = test\n"
			    "function = f;unction\n"
			    "returns = i32\n"
			    "summary = everything: a=b\n"
			    "[param.n]\n"
			    "type = u64\n"
			    "default = 10\n"
			    "min = 1\n"
			    "unit = element\n"
			    "help = how many\n"
			    "[param.m]\n"
			    "type = i16\n"
			    "default = n - 20\n"
			    "max = n\n"
			    "[param.f]\n"
			    "type = f32\n"
			    "default = 0.1\n"
			    "[param.big]\n"
			    "type = u64\n"
			    "default = 2^63\n"
			    "[param.mode]\n"
			    "type = u8\n"
			    "default = 3\n"
			    "values = 1, 2\n"
			    "values = 3\n"
			    "[param.cold]\n"
			    "type = bool\n"
			    "default = 0\n"
			    "[let]\n"
			    "twice = 2*n\n"
			    "four = 2*twice\n"
			    "[require]\n"
			    "even = four % 4 == 0\n"
			    "[buffer.x]\n"
			    "type = f32\n"
			    "count = n > 5\n"
			    "  ? four\n"
			    "  : 1 ; the rest\n"
			    "align = 4096\n"
			    "offset = 12\n"
			    "access = r\n"
			    "guard = before\n"
			    "[buffer.y]\n"
			    "type = u16\n"
			    "count = n\n"
			    "access = rw\n"
			    "reset = n > 5\n"
			    "[call]\n"
			    "args = u64 n, i8 0-1\n"
			    "args = f32 f, f64 f*2,\n"
			    "  ptr y + 2*u16, fn builtin:cmp_i32\n"
			    "args = bool cold, u64 big\n"
			    "[measure]\n"
			    "mode = latency\n"
			    "cache = cold ? flush : hot\n"
			    "samples = 2^5\n"
			    "warmup = 3\n"
			    "cpu = 1\n"
			    "processes = 3\n"
			    "min_time_ms = 5\n"
			    "max_time_ms = 50\n"
			    "aggregate = median\n"
			    "events = cycles,instructions | cache-misses\n"
			    "events = page-faults\n"
			    "[limits]\n"
			    "wall_ms = 100\n"
			    "memory_bytes = 64 << 20\n"
			    "stack_bytes = 65536\n"
			    "tsc = deny\n"
			    "imports = malloc, free=trap\n"
			    "[sweep]\n"
			    "n = 2^4 .. 2^20 *2\n"
			    "mode = 1, 2, 3";

static struct spec *parse(const char *text)
{
	struct spec_error err;
	struct spec *spec = spec_parse(text, strlen(text), NULL, &err);

	if (!spec)
		check_fail(__FILE__, __LINE__, "%s", err.text);
	return spec;
}

static bool bind(const struct spec *spec, const char *words, struct spec_bound *out)
{
	struct spec_word split[8];
	struct spec_error err;
	int n = spec_split(words, strlen(words), split, 8, &err);

	if (n >= 0 && !spec_bind(spec, split, (unsigned)n, 1 << 20, out, &err))
		return true;
	check_fail(__FILE__, __LINE__, "%s: %s", words, err.text);
	return false;
}

static void head(void)
{
	struct spec *spec = parse(whole);

	REQUIRE(spec != NULL);
	CHECK_STR(spec_name(spec), "all");
	CHECK_STR(spec_namespace(spec), "test");
	CHECK_STR(spec_function(spec), "f;unction");
	CHECK_STR(spec_summary(spec), "everything: a=b");
	CHECK_INT(spec_nparams(spec), 6);
	CHECK_STR(spec_param(spec, 1)->default_text, "n - 20");
	CHECK_STR(spec_param(spec, 1)->max_text, "n");
	CHECK_STR(spec_param(spec, 4)->values, "1, 2, 3");
	CHECK_STR(spec_param(spec, 0)->unit, "element");
	CHECK_STR(spec_type_name(spec_param(spec, 1)->type), "i16");
	CHECK(!spec_param(spec, 6));
	spec_free(spec);
}

static void defaults(void)
{
	struct spec *spec = parse(whole), *empty = parse("[kernel]\nname=a\nfunction=*\n");
	struct spec_defaults d;

	REQUIRE(spec && empty);
	spec_defaults(spec, &d);
	CHECK_INT(d.mode, WIRE_LATENCY);
	CHECK_INT(d.samples, 32);
	CHECK_INT(d.warmup, 3);
	CHECK_INT(d.cpu, 1);
	CHECK_INT(d.processes, 3);
	CHECK_INT(d.min_time_ms, 5);
	CHECK_INT(d.max_time_ms, 50);
	CHECK_INT(d.wall_ms, 100);
	CHECK_INT(d.memory_bytes, 64 << 20);
	CHECK_INT(d.stack_bytes, 65536);
	CHECK_STR(d.aggregate, "median");
	CHECK_STR(d.events, "cycles,instructions | cache-misses, page-faults");
	CHECK_STR(d.imports, "malloc, free=trap");
	CHECK(d.tsc_denied);
	spec_defaults(empty, &d);
	CHECK(d.mode == -1 && d.samples == -1 && d.cpu == -1 && d.wall_ms == -1 && !*d.events &&
	      !d.tsc_denied && !*d.aggregate);
	spec_free(spec);
	spec_free(empty);
}

static void bound_values(void)
{
	struct spec *spec = parse(whole);
	struct spec_bound b;
	char text[200];

	REQUIRE(spec && bind(spec, "n=6 tag=x mode=2", &b));
	CHECK_INT(b.nparams, 7);
	CHECK_INT(b.params[1].i, -14);
	CHECK_DOUBLE(b.params[2].f, (double)0.1f);
	CHECK(b.params[3].is_big);
	spec_bound_text(&b, text, sizeof(text));
	CHECK_STR(text,
		  "n=6 m=-14 f=0.1 big=9223372036854775808 mode=2 cold=0 seed=1");
	CHECK_INT(spec_bound_text(&b, text, 5), 60);
	CHECK_STR(text, "n=6 ");
	CHECK_INT(b.cache, WIRE_HOT);
	CHECK(!b.has_check);
	CHECK_INT(b.nbuffers, 2);
	CHECK_INT(b.buffers[0].count, 24);
	CHECK_INT(b.buffers[0].bytes, 96);
	CHECK_INT(b.buffers[0].align, 4096);
	CHECK_INT(b.buffers[0].offset, 12);
	CHECK_INT(b.buffers[0].guard, SPEC_GUARD_BEFORE);
	CHECK_INT(b.buffers[1].access, SPEC_RW);
	CHECK(b.buffers[1].reset && !b.buffers[0].reset);
	spec_unbind(&b);
	REQUIRE(bind(spec, "n=5 cold=true seed=18446744073709551615", &b));
	CHECK_INT(b.buffers[0].count, 1);
	CHECK(!b.buffers[1].reset);
	CHECK_INT(b.cache, WIRE_FLUSH);
	CHECK(b.seed == UINT64_MAX);
	spec_unbind(&b);
	spec_free(spec);
}

static void arguments(void)
{
	struct spec *spec = parse(whole);
	struct spec_bound b;
	float f;
	double d;

	REQUIRE(spec && bind(spec, "f=1.5", &b));
	REQUIRE(b.nargs == 8);
	CHECK(b.args[0].class == WIRE_INT && b.args[0].value == 10);
	CHECK(b.args[1].class == WIRE_INT && b.args[1].value == UINT64_MAX);
	memcpy(&f, &b.args[2].value, sizeof(f));
	CHECK(b.args[2].class == WIRE_F32 && f == 1.5f && b.args[2].value >> 32 == 0);
	memcpy(&d, &b.args[3].value, sizeof(d));
	CHECK(b.args[3].class == WIRE_F64 && d == 3);
	CHECK(b.args[4].class == WIRE_PTR && b.args[4].buffer == 1 && b.args[4].value == 4);
	CHECK(b.args[5].class == WIRE_FN && b.args[5].buffer == WIRE_CMP_I32);
	CHECK(b.args[6].class == WIRE_INT && b.args[6].value == 0);
	CHECK(b.args[7].value == UINT64_C(1) << 63);
	CHECK_INT(b.ret, WIRE_RET_INT);
	spec_unbind(&b);
	spec_free(spec);
}

static bool measured(void *arg, const char *name, double *out)
{
	if (!strcmp(name, "seconds"))
		*out = *(double *)arg;
	else if (!strcmp(name, "cycles"))
		*out = 40;
	else if (!strcmp(name, "instructions"))
		*out = 100;
	else
		return false;
	return true;
}

static double metric(const struct spec_metric *m, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(m[i].name, name))
			return m[i].value;
	return NAN;
}

static const char *why_not(const struct spec_metric *m, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(m[i].name, name))
			return m[i].why;
	return "?";
}

static void metrics(void)
{
	struct spec *spec = parse(whole);
	struct spec_metric m[16];
	struct spec_bound b;
	double seconds = 1e-6;
	unsigned n;

	REQUIRE(spec && bind(spec, "n=1000", &b));
	n = spec_metrics(&b, measured, &seconds, m, 16);
	CHECK_DOUBLE(metric(m, n, "flop"), 2000);
	CHECK_DOUBLE(metric(m, n, "bytes_read"), 4000);
	CHECK_DOUBLE(metric(m, n, "items"), 1000);
	CHECK_NEAR(metric(m, n, "gflops"), 2, 1e-12);
	CHECK_NEAR(metric(m, n, "GBps_read"), 4, 1e-12);
	CHECK_NEAR(metric(m, n, "ns_per_item"), 1, 1e-12);
	CHECK_DOUBLE(metric(m, n, "metric.ipc"), 2.5);
	CHECK_DOUBLE(metric(m, n, "metric.flop_per_cycle"), 50);
	CHECK_STR(why_not(m, n, "metric.ipc"), "");
	CHECK_STR(why_not(m, n, "metric.bad"), "division by zero, in column 2 of '1/(n-n)'");
	CHECK_STR(why_not(m, n, "metric.unknown"), "'page_faults' is not known, in column 1 of 'page_faults * 2'");
	CHECK_INT(n, 10);
	seconds = 0;
	n = spec_metrics(&b, measured, &seconds, m, 16);
	CHECK_STR(why_not(m, n, "gflops"), "the time is below the clock's resolution");
	CHECK_INT(n, 10);
	n = spec_metrics(&b, NULL, NULL, m, 16);
	CHECK_STR(why_not(m, n, "metric.ipc"), "'instructions' is not known, in column 1 of 'instructions/cycles'");
	CHECK_INT(spec_metrics(&b, NULL, NULL, m, 2), 2);
	spec_unbind(&b);
	spec_free(spec);
}

/* Carriage returns, a byte order mark and sections in two parts are no reason to refuse. */
static void spelling(void)
{
	struct spec *spec = parse("\xef\xbb\xbf[kernel]\r\nname=a\r\nfunction = "
				  "*\r\n[param.n]\r\ntype=u8\r\n[kernel]\r\n"
				  "summary = s\r\n[param.n]\r\nmin = 0\r\n");

	REQUIRE(spec != NULL);
	CHECK_STR(spec_name(spec), "a");
	CHECK_STR(spec_function(spec), "*");
	CHECK_STR(spec_summary(spec), "s");
	CHECK_STR(spec_param(spec, 0)->min_text, "0");
	spec_free(spec);
}

int main(void)
{
	RUN(head);
	RUN(defaults);
	RUN(bound_values);
	RUN(arguments);
	RUN(metrics);
	RUN(spelling);
	return check_done();
}
