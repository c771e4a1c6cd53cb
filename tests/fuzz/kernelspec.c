/* SPDX-License-Identifier: MIT */
/* Fuzzes specifications: read, bind with the words before a NUL byte, fill, check, metrics. */
#include <stdlib.h>
#include <string.h>

#include "kernelspec.h"

#define MEMORY_MAX 65536

static bool value_of(void *arg, const char *name, double *out)
{
	(void)arg;
	*out = 0.5;
	return strcmp(name, "cycles") != 0;
}

static void run(const struct spec_bound *bound)
{
	struct spec_outcome outcome = { .ret = 3 };
	struct spec_verdict verdict;
	struct spec_metric metrics[SPEC_METRICS_MAX];
	struct spec_error err;
	void *data[SPEC_BUFFERS_MAX];
	char text[64];

	for (unsigned i = 0; i < bound->nbuffers; i++) {
		data[i] = malloc(bound->buffers[i].bytes + 1);
		if (!data[i] || spec_fill(bound, i, 0, data[i], &err))
			abort();
		outcome.inputs[i] = outcome.outputs[i] = data[i];
	}
	(void)spec_check(bound, &outcome, &verdict, &err);
	(void)spec_metrics(bound, value_of, NULL, metrics, SPEC_METRICS_MAX);
	(void)spec_bound_text(bound, text, sizeof(text));
	for (unsigned i = 0; i < bound->nbuffers; i++)
		free(data[i]);
}

static void judge(const struct spec_error *err)
{
	if (err->err >= 0 || !err->text[0] || !memchr(err->text, '\0', sizeof(err->text)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = memchr(data, '\0', size);
	const char *text = nul ? (const char *)nul + 1 : (const char *)data;
	size_t text_size = nul ? size - (size_t)(nul + 1 - data) : size;
	struct spec_word words[16];
	struct spec_bound bound;
	struct spec_error err;
	struct spec *spec = spec_parse(text, text_size, NULL, &err);
	int n;

	if (!spec) {
		judge(&err);
		return 0;
	}
	n = nul ? spec_split((const char *)data, (size_t)(nul - data), words, 16, &err) : 0;
	if (n < 0 || spec_bind(spec, words, (unsigned)n, MEMORY_MAX, &bound, &err)) {
		judge(&err);
	} else {
		run(&bound);
		spec_unbind(&bound);
	}
	spec_free(spec);
	return 0;
}
