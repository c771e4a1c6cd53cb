/* SPDX-License-Identifier: MIT */
/*
 * The judgement on a run that has ended: how, whether its claims hold, what its outputs are worth.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_outcome.h"
#include "kernels.h"

static const uint8_t *data_at(const struct arena *arena, unsigned i)
{
	return arena->buffers[i].map_bytes
		       ? arena->map + arena->buffers[i].file_offset + arena->buffers[i].data_offset
		       : (const uint8_t *)"";
}

static bool one_set_says_nothing(const struct run *run, const struct outcome *out)
{
	if (run->nsets > 1 || out->calls <= 1)
		return false;
	for (unsigned i = 0; i < run->bound.nbuffers; i++) {
		if ((run->bound.buffers[i].access & SPEC_W) && !run->bound.buffers[i].reset)
			return true;
	}
	return false;
}

static void check_set(const struct run *run, struct outcome *out, unsigned set)
{
	const struct arena *arena = run->template->arena;
	struct spec_outcome seen = { .ret = run->template->claim->ret[set] };
	struct spec_error err = { 0 };
	struct spec_verdict verdict;
	int rc;

	for (unsigned b = 0; b < arena->nbuffers; b++) {
		unsigned i = set * arena->nbuffers + b;

		seen.outputs[b] = data_at(arena, i);
		seen.inputs[b] = arena->copies[i] ? arena->copies[i] : seen.outputs[b];
		seen.addresses[b] = run->template->claim->buffer_address[i];
	}
	rc = spec_check(&run->bound, &seen, &verdict, &err);
	if (rc) {
		out->check = CHECK_IMPOSSIBLE;
		snprintf(out->check_text, sizeof(out->check_text), "%s", err.text);
		return;
	}
	out->verdict = verdict;
	out->check = verdict.passed ? CHECK_PASSED : CHECK_FAILED;
	snprintf(out->check_text, sizeof(out->check_text), "%s", verdict.text);
}

static void check_outputs(const struct run *run, struct outcome *out)
{
	unsigned set = run->nsets > 1 ? 1 : 0;

	if (!run->bound.has_check) {
		out->check = CHECK_NONE;
	} else if (run->options.check == RUN_CHECK_OFF) {
		out->check = CHECK_OFF;
	} else if (one_set_says_nothing(run, out)) {
		out->check = CHECK_IMPOSSIBLE;
		snprintf(out->check_text, sizeof(out->check_text),
			 "a second set of buffers would need too much memory");
	} else {
		do {
			check_set(run, out, set);
		} while (++set < run->nsets && out->check == CHECK_PASSED);
	}
	if (out->check == CHECK_FAILED) {
		out->status = RUN_CHECK;
		snprintf(out->cause, sizeof(out->cause), "%s", out->check_text);
	}
}

/* What the checked call left in the buffers that it may write, one after the other. */
static void keep_output(const struct run *run, struct outcome *out)
{
	const struct arena *arena = run->template->arena;
	unsigned first = (run->nsets > 1 ? 1 : 0) * arena->nbuffers;
	struct sfs_buf *buf;
	uint64_t bytes = 0;

	for (unsigned i = first; i < first + arena->nbuffers; i++)
		bytes += arena->buffers[i].writable ? arena->buffers[i].data_bytes : 0;
	if (!bytes)
		return;
	if (bytes > KERNEL_OUTPUT_MAX || !outcome_charge(out, run->kernel, bytes)) {
		out->output_dropped = bytes;
		return;
	}
	buf = sfs_buf_new();
	for (unsigned i = first; i < first + arena->nbuffers; i++) {
		if (arena->buffers[i].writable && arena->buffers[i].data_bytes)
			sfs_put_bytes(buf, data_at(arena, i), arena->buffers[i].data_bytes);
	}
	out->files[OUT_OUTPUT] = sfs_buf_finish(buf);
}

static bool take_claim(const struct run *run, struct outcome *out)
{
	const struct wire_claim *claim = run->template->claim;

	out->calls = claim->calls;
	out->samples = claim->samples;
	out->batch = claim->batch;
	out->abi = claim->abi;
	out->arena_used = claim->arena_used;
	out->overhead_ticks = claim->overhead_ticks;
	out->ret = claim->ret[run->nsets > 1 ? 1 : 0];
	out->ticks = malloc(sizeof(*out->ticks) * out->samples);
	if (!out->ticks)
		return false;
	memcpy(out->ticks, claim->ticks, sizeof(*out->ticks) * out->samples);
	return true;
}

static int judge_completed(struct run *run, struct outcome *out)
{
	char text[sizeof(out->cause)];

	if (!kernel_claims_agree(run, out)) {
		out->status = RUN_KILLED;
		snprintf(out->cause, sizeof(out->cause), "%s", out->integrity);
		return -EBADMSG;
	}
	if (!take_claim(run, out))
		return -ENOMEM;
	kernel_statistics(run, out);
	keep_output(run, out);
	if (arena_overrun(run->template->arena, &run->bound, text, sizeof(text))) {
		out->status = RUN_CHECK;
		out->check = CHECK_FAILED;
		out->is_violated = true;
		snprintf(out->integrity, sizeof(out->integrity), "%.300s", text);
		snprintf(out->check_text, sizeof(out->check_text), "%.390s", text);
		snprintf(out->cause, sizeof(out->cause), "%s", text);
		return -EBADMSG;
	}
	check_outputs(run, out);
	return out->check == CHECK_FAILED && run->options.check == RUN_CHECK_STRICT ? -EBADMSG : 0;
}

/* The answer of run for each way to end; a crash leaves nobody to talk to, hence ESRCH. */
static int answer_of(const struct run *run, const struct outcome *out)
{
	static const int answers[] = {
		[RUN_KILLED] = -ECANCELED,  [RUN_SIGNAL] = -ESRCH,  [RUN_SYSCALL] = -EPERM,
		[RUN_TIMEOUT] = -ETIMEDOUT, [RUN_CHECK] = -EBADMSG, [RUN_OOM] = -EDQUOT,
		[RUN_EXIT] = -ESRCH,
	};

	if (out->status == RUN_FAILED)
		return launch_answer(run->how.rc < 0 ? run->how.rc : -EIO);
	return answers[out->status];
}

int kernel_judge(struct run *run, struct outcome *out)
{
	char text[SFS_SENTENCE_MAX];

	kernel_fault(run, out);
	if (out->status == RUN_OK)
		out->rc = judge_completed(run, out);
	else
		out->rc = answer_of(run, out);
	if (!out->rc)
		return 0;
	snprintf(text, sizeof(text), "%.480s",
		 out->cause[0] ? out->cause : "no memory for the result");
	return sfs_fail(out->rc, "%s: %s", outcome_status(out), text);
}
