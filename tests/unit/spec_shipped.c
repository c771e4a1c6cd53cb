/* SPDX-License-Identifier: MIT */
/* The specifications that ship: each parses, binds with its defaults, fills, and is what
 * WebRunner's users expect. */
/* single-threaded */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernelspec.h"

#define FOLDER     "backends/specs"
#define MEMORY_MAX (UINT64_C(1) << 30)

static char *read_spec(const char *name, size_t *size)
{
	static char text[SPEC_BYTES_MAX];
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), FOLDER "/%s.ini", name);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	*size = fread(text, 1, sizeof(text), f);
	fclose(f);
	return text;
}

static struct spec *parse(const char *name)
{
	struct spec_error err;
	size_t size = 0;
	char *text = read_spec(name, &size);
	struct spec *spec = text ? spec_parse(text, size, name, &err) : NULL;

	if (!text)
		check_fail(__FILE__, __LINE__, "no " FOLDER "/%s.ini", name);
	else if (!spec)
		check_fail(__FILE__, __LINE__, "%s: %s", name, err.text);
	return spec;
}

static int bind(const struct spec *spec, const char *words, struct spec_bound *out,
		struct spec_error *err)
{
	struct spec_word split[40];
	int n = spec_split(words, strlen(words), split, 40, err);

	return n < 0 ? n : spec_bind(spec, split, (unsigned)n, MEMORY_MAX, out, err);
}

static void try_one(const char *name)
{
	struct spec *spec = parse(name);
	struct spec_bound bound;
	struct spec_error err;
	char text[512];

	if (!spec)
		return;
	CHECK_STR(spec_name(spec), name);
	CHECK_MSG(*spec_summary(spec), "%s has no summary", name);
	for (unsigned i = 0; i < spec_nparams(spec); i++)
		CHECK_MSG(*spec_param(spec, i)->help, "%s: no help for %s", name,
			  spec_param(spec, i)->name);
	if (bind(spec, "", &bound, &err)) {
		check_fail(__FILE__, __LINE__, "%s: %s", name, err.text);
	} else {
		CHECK(spec_bound_text(&bound, text, sizeof(text)) < sizeof(text));
		for (unsigned i = 0; i < bound.nbuffers; i++) {
			void *data = malloc(bound.buffers[i].bytes + 1);

			CHECK_INT(spec_fill(&bound, i, 0, data, &err), 0);
			free(data);
		}
		spec_unbind(&bound);
	}
	spec_free(spec);
}

static void all_parse_and_bind(void)
{
	DIR *dir = opendir(FOLDER);
	struct dirent *entry;
	int count = 0;

	REQUIRE(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		char *dot = strstr(entry->d_name, ".ini");

		if (!dot)
			continue;
		*dot = '\0';
		try_one(entry->d_name);
		count++;
	}
	closedir(dir);
	CHECK_MSG(count >= 28, "only %d specifications", count);
}

struct expected_param {
	const char *name;
	enum spec_type type;
	const char *value, *min, *max;
};

static void expect_params(const char *name, const struct expected_param *expected)
{
	struct spec *spec = parse(name);

	if (!spec)
		return;
	for (unsigned i = 0; expected[i].name; i++) {
		const struct spec_param *p = spec_param(spec, i);

		REQUIRE(p != NULL);
		CHECK_STR(p->name, expected[i].name);
		CHECK_INT(p->type, expected[i].type);
		CHECK_STR(p->default_text, expected[i].value);
		CHECK_STR(p->min_text, expected[i].min);
		CHECK_STR(p->max_text, expected[i].max);
	}
	spec_free(spec);
}

static void webrunner_parameters(void)
{
	static const struct expected_param playground[] = {
		{ "iterations", SPEC_U64, "1000", "1", "" }, { 0 }
	};
	static const struct expected_param sdot[] = {
		{ "n", SPEC_U64, "1024", "", "" },   { "incx", SPEC_U32, "1", "1", "" },
		{ "incy", SPEC_U32, "1", "1", "" },  { "offx", SPEC_U32, "0", "", "63" },
		{ "offy", SPEC_U32, "0", "", "63" }, { 0 },
	};
	static const struct expected_param sgemm[] = {
		{ "mr", SPEC_U32, "8", "1", "64" },      { "nr", SPEC_U32, "2", "1", "64" },
		{ "k", SPEC_U32, "1024", "1", "65536" }, { "rs_c", SPEC_U32, "1", "1", "64" },
		{ "cs_c", SPEC_U32, "1", "1", "64" },    { "alpha", SPEC_F32, "1", "", "" },
		{ "beta", SPEC_F32, "0", "", "" },       { 0 },
	};

	expect_params("playground", playground);
	expect_params("sdot", sdot);
	expect_params("sgemm", sgemm);
}

static void calls(void)
{
	static const struct {
		const char *name, *words, *classes; /* i f d p c, in the order of the ABI */
	} expected[] = {
		{ "playground", "", "i" },
		{ "sdot", "n=3 incx=2 offx=4", "ipipi" },
		{ "sgemm", "", "ipppppii" },
		{ "saxpy", "", "ifpipi" },
		{ "daxpy", "", "idpipi" },
		{ "memcpy", "cold=1", "ppi" },
		{ "cblas_dgemm", "order=102 transa=112", "iiiiiidpipidpi" },
		{ "qsort_r", "", "piici" },
		{ "stream_triad", "", "pppdi" },
		{ "bli_ddotv", "", "iiipipipi" },
		{ "call0", "", "" },
		{ 0 },
	};
	static const char letters[] = { 0, 'i', 'f', 'd', 'p', 'c' };

	for (int i = 0; expected[i].name; i++) {
		struct spec *spec = parse(expected[i].name);
		struct spec_bound bound;
		struct spec_error err;
		char classes[WIRE_ARGS_MAX + 1] = "";

		REQUIRE(spec != NULL);
		CHECK_MSG(!bind(spec, expected[i].words, &bound, &err), "%s: %s", expected[i].name,
			  err.text);
		for (unsigned k = 0; k < bound.nargs; k++)
			classes[k] = letters[bound.args[k].class];
		CHECK_STR(classes, expected[i].classes);
		spec_unbind(&bound);
		spec_free(spec);
	}
}

static void sgemm_without_overlap_is_checked(void)
{
	struct spec *spec = parse("sgemm");
	struct spec_bound bound;
	struct spec_error err;

	REQUIRE(spec != NULL);
	CHECK_INT(bind(spec, "", &bound, &err), 0);
	CHECK(!bound.has_check);
	spec_unbind(&bound);
	CHECK_INT(bind(spec, "cs_c=8", &bound, &err), 0);
	CHECK(bound.has_check);
	CHECK_INT(bound.buffers[2].count, 16);
	CHECK(bound.buffers[2].compared);
	CHECK(!bound.buffers[2].reset);
	spec_unbind(&bound);
	CHECK_INT(bind(spec, "mr=65", &bound, &err), -ERANGE);
	CHECK_HAS(err.text, "mr is 65, above its max of 64");
	spec_free(spec);
}

static void sdot_bound(void)
{
	struct spec *spec = parse("sdot");
	struct spec_bound bound;
	struct spec_error err;
	char text[200];

	REQUIRE(spec != NULL);
	CHECK_INT(bind(spec, "n=0 offy=63 seed=9", &bound, &err), 0);
	CHECK_INT(bound.buffers[0].bytes, 0);
	CHECK_INT(bound.buffers[1].offset, 63);
	CHECK_INT(bound.buffers[0].access, SPEC_R);
	CHECK_INT(bound.buffers[0].guard, SPEC_GUARD_AFTER);
	CHECK_INT(bound.ret, WIRE_RET_F32);
	CHECK(bound.ret_compared && bound.has_check);
	spec_bound_text(&bound, text, sizeof(text));
	CHECK_STR(text, "n=0 incx=1 incy=1 offx=0 offy=63 seed=9");
	spec_unbind(&bound);
	CHECK_INT(bind(spec, "n=18446744073709551615 incx=2", &bound, &err), -ERANGE);
	CHECK_HAS(err.text, "overflow");
	CHECK_INT(bind(spec, "n=18446744073709551615", &bound, &err), -E2BIG);
	CHECK_INT(bind(spec, "n=1000000000", &bound, &err), -E2BIG);
	CHECK_HAS(err.text, "exceed the limit of 1073741824 bytes");
	spec_free(spec);
}

int main(void)
{
	/* Run from the repository, or from a folder below it. */
	for (int up = 0; up < 4 && access(FOLDER, R_OK); up++)
		if (chdir(".."))
			return 1;
	RUN(all_parse_and_bind);
	RUN(webrunner_parameters);
	RUN(calls);
	RUN(sgemm_without_overlap_is_checked);
	RUN(sdot_bound);
	return check_done();
}
