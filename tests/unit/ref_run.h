/* SPDX-License-Identifier: MIT */
/* A specification that is bound to words, with buffers as a run leaves them, for tests of builtin references. */
#ifndef REF_RUN_H
#define REF_RUN_H

#include "check.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernelspec.h"

#define FOLDER "backends/specs"

/* One specification bound to words, with buffers as a run would leave them before the call. */
struct run {
	struct spec *spec;
	struct spec_bound bound;
	struct spec_outcome outcome;
	void *in[SPEC_BUFFERS_MAX], *out[SPEC_BUFFERS_MAX]; /* owned */
};

static bool set_up_text(struct run *r, const char *text, size_t size, const char *words)
{
	struct spec_word split[32];
	struct spec_error err;
	int n = spec_split(words, strlen(words), split, 32, &err);

	memset(r, 0, sizeof(*r));
	r->spec = spec_parse(text, size, NULL, &err);
	if (!r->spec || spec_bind(r->spec, split, (unsigned)n, 1 << 28, &r->bound, &err)) {
		check_fail(__FILE__, __LINE__, "%s: %s", words, err.text);
		spec_free(r->spec);
		return false;
	}
	for (unsigned i = 0; i < r->bound.nbuffers; i++) {
		size_t bytes = r->bound.buffers[i].bytes;

		r->in[i] = malloc(bytes + 1);
		r->out[i] = malloc(bytes + 1);
		spec_fill(&r->bound, i, 1, r->in[i], &err);
		memcpy(r->out[i], r->in[i], bytes);
		r->outcome.inputs[i] = r->in[i];
		r->outcome.outputs[i] = r->out[i];
		r->outcome.addresses[i] = 0x7f0000001000 + i * 0x100000;
	}
	return true;
}

__attribute__((unused)) static bool set_up(struct run *r, const char *name, const char *words)
{
	char path[200], *text = malloc(SPEC_BYTES_MAX);
	FILE *f;
	size_t size;
	bool done;

	snprintf(path, sizeof(path), FOLDER "/%s.ini", name);
	f = fopen(path, "r");
	if (!f) {
		check_fail(__FILE__, __LINE__, "no %s", path);
		free(text);
		return false;
	}
	size = fread(text, 1, SPEC_BYTES_MAX, f);
	fclose(f);
	done = set_up_text(r, text, size, words);
	free(text);
	return done;
}

static void tear_down(struct run *r)
{
	for (unsigned i = 0; i < r->bound.nbuffers; i++) {
		free(r->in[i]);
		free(r->out[i]);
	}
	spec_unbind(&r->bound);
	spec_free(r->spec);
}

static struct spec_verdict check(struct run *r)
{
	struct spec_verdict v;
	struct spec_error err;

	if (spec_check(&r->bound, &r->outcome, &v, &err))
		check_fail(__FILE__, __LINE__, "spec_check: %s", err.text);
	return v;
}

#define PASSES(r)                                                                                  \
	do {                                                                                       \
		struct spec_verdict verdict_ = check(r);                                           \
		CHECK_MSG(verdict_.passed && !strcmp(verdict_.text, "ok"), "refused: %s",          \
			  verdict_.text);                                                          \
	} while (0)
#define FAILS(r, sentence)                                                                         \
	do {                                                                                       \
		struct spec_verdict verdict_ = check(r);                                           \
		CHECK(!verdict_.passed);                                                           \
		CHECK_HAS(verdict_.text, sentence);                                                \
	} while (0)

__attribute__((unused)) static void return_f32(struct run *r, float f)
{
	r->outcome.ret = 0;
	memcpy(&r->outcome.ret, &f, sizeof(f));
}

__attribute__((unused)) static void return_f64(struct run *r, double f)
{
	memcpy(&r->outcome.ret, &f, sizeof(f));
}

/* The folder of specifications lies below the top of the source, wherever the test was started. */
static bool at_top(void)
{
	for (int up = 0; up < 4 && access(FOLDER, R_OK); up++)
		if (chdir(".."))
			return false;
	return true;
}

#endif
