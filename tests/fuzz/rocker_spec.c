/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes specifications of rockers: the first byte says who writes, the second which key, or that it is a whole file. What is
 * accepted is shown, accepted again as the same, and makes a plan that its receiver takes.
 */
#include <stdlib.h>
#include <string.h>

#include "rocker_spec.h"

static const struct plan_opener writers[] = { { .uid = 0 }, { .uid = 1000, .gid = 1000, .ngroups = 1, .groups = { 27 } } };

static void judge_plan(const struct rocker_spec *spec, const struct rocker_whose *whose)
{
	static struct rocker_plan plan;

	if (!rocker_spec_plan(spec, whose, &plan) && !plan_ok(&plan, plan_size(&plan)))
		abort();
	for (unsigned key = 0; key <= ROCKER_KEYS; key++)
		if (rocker_spec_check_plan(spec, key, &plan) && !plan_ok(&plan, plan_size(&plan)))
			abort();
}

static void again(const struct rocker_judge *judge, const struct rocker_spec *spec)
{
	struct sfs_buf *buf = sfs_buf_new();
	struct rocker_spec *same;
	struct sfs_blob *blob;
	int rc;

	rocker_spec_show(spec, &judge->whose, buf);
	blob = sfs_buf_finish(buf);
	same = rocker_spec_parse(judge, sfs_blob_data(blob), sfs_blob_size(blob), &rc);
	if (!same)
		abort();
	for (unsigned key = 0; key < ROCKER_KEYS; key++)
		if ((spec->values[key] || same->values[key]) &&
		    (!spec->values[key] || !same->values[key] || strcmp(spec->values[key], same->values[key])))
			abort();
	rocker_spec_put(same);
	sfs_blob_put(blob);
}

static struct rocker_spec *one_value(const struct rocker_judge *judge, unsigned key, const struct sfs_cmd *cmd)
{
	struct rocker_spec *empty = rocker_spec_new(), *spec = NULL;
	char *value = NULL;

	if (!rocker_judge_value(judge, key, cmd, NULL, &value))
		spec = rocker_spec_with(empty, key, value, judge->by);
	free(value);
	rocker_spec_put(empty);
	return spec;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rocker_judge judge;
	struct rocker_spec *spec;
	struct sfs_cmd cmd;
	unsigned key;
	char *text;
	int rc;

	if (size < 2 || size > 8192 || memchr(data + 2, '\0', size - 2))
		return 0;
	judge = (struct rocker_judge){ .whose = { "a", data[0] & 2 ? 0 : 1000, 1000 }, .by = &writers[data[0] & 1] };
	key = data[1] % (ROCKER_KEYS + 1);
	text = malloc(size - 1);
	memcpy(text, data + 2, size - 2);
	text[size - 2] = '\0';
	cmd = (struct sfs_cmd){ .text = text, .len = size - 2 };
	spec = key == ROCKER_KEYS ? rocker_spec_parse(&judge, cmd.text, cmd.len, &rc) : one_value(&judge, key, &cmd);
	if (spec) {
		judge_plan(spec, &judge.whose);
		again(&judge, spec);
	} else if (!sfs_sentence()[0]) {
		abort();
	}
	rocker_spec_put(spec);
	free(text);
	return 0;
}
