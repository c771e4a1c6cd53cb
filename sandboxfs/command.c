/* SPDX-License-Identifier: MIT */
/* Runs the lines of a write, one after the other, whether each answers at once or later. */
#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "req.h"

/* One write under way: owned by the thread that works on it, or by the request that is put off. */
struct work {
	struct file *file; /* counted */
	struct sfs_cmd cmd;
	bool whole;           /* one command, whatever lines it has; the result is 0 */
	bool raw;             /* the same, and the result is its size */
	bool background;      /* O_NONBLOCK: the writer has his answer */
	size_t size;          /* of text */
	size_t begin;         /* of the line that runs */
	size_t next;          /* of the line after it */
	unsigned line, lines; /* counted from one; how many there are */
	int rc;               /* of the last line */
	char text[];
};

static struct work *work_new(struct file *file, const struct file_bytes *bytes)
{
	struct work *work = malloc(sizeof(*work) + bytes->size + 1);
	size_t i;

	if (!work)
		return NULL;
	memset(work, 0, sizeof(*work));
	work->file = file_get(file);
	work->cmd.who = *file_who(file);
	work->size = bytes->size;
	memcpy(work->text, bytes->data, bytes->size);
	work->text[bytes->size] = '\0';
	for (i = 0; i < bytes->size; i++)
		work->lines += work->text[i] == '\n';
	return work;
}

static void work_free(struct work *work)
{
	file_put(work->file);
	free(work);
}

static bool work_is_cut(const struct work *work)
{
	return !work->whole && work->lines && work->begin + work->cmd.len == work->size;
}

/*
 * The next line that is not empty, or the one empty line that is a whole write (a run without
 * words): false when there is none. Never the tail of a cut write.
 */
static bool work_next(struct work *work)
{
	char *line, *end;

	while (work->next < work->size) {
		line = work->text + work->next;
		end = work->whole ? NULL : memchr(line, '\n', work->size - work->next);
		work->begin = work->next;
		work->cmd.text = line;
		work->cmd.len = (size_t)((end ?: work->text + work->size) - line);
		if (work_is_cut(work))
			return false;
		if (end)
			*end = '\0';
		work->next += work->cmd.len + (end ? 1 : 0);
		work->line++;
		if (work->cmd.len || work->size == 1)
			return true;
	}
	return false;
}

/* Notes how a line ended. True: the next may run. */
static bool work_took(struct work *work, int rc, struct sfs_blob *answer)
{
	if (rc < 0 && work->line && work->lines > 1 && !work->whole)
		errors_in_line(rc, work->line);
	file_answer(work->file, &work->cmd, rc, answer);
	work->rc = rc;
	return rc >= 0;
}

/*
 * What write(2) returns: the bytes of the lines that were done, or the refusal of the first. Frees
 * work.
 */
static int64_t work_end(struct work *work)
{
	int64_t result = work->rc;

	if (work->raw && work->rc >= 0) {
		result = (int64_t)work->size;
	} else if (!work->whole && work->rc < 0 && work->begin) {
		result = (int64_t)work->begin;
	} else if (!work->whole && work->rc >= 0) {
		result = (int64_t)work->next;
		if (work->next < work->size)
			file_set_cut(work->file, work->size - work->next);
	}
	if (work->background)
		file_unclaim(work->file);
	work_free(work);
	return result;
}

/* ---- rows that answer at once ---------------------------------------------------------------- */

static void run_line(struct work *work)
{
	const struct sfs_attr *attr = file_attr(work->file);
	struct sfs_blob *answer = NULL;
	struct sfs_buf *buf = sfs_buf_new();
	int rc;

	work->cmd.answer = buf;
	errors_begin();
	rc = buf ? attr->store(file_dir(work->file), &work->cmd)
		 : sfs_fail(-ENOMEM, "out of memory");
	answer = sfs_buf_finish(buf);
	/* Nothing said: what a read gives next is the file itself. */
	if (answer && !sfs_blob_size(answer)) {
		sfs_blob_put(answer);
		answer = NULL;
	}
	work_took(work, rc, answer);
}

static int64_t run_now(struct work *work)
{
	while (work->rc >= 0 && work_next(work))
		run_line(work);
	return work_end(work);
}

/* ---- rows that wait -------------------------------------------------------------------------- */

static req_finished_fn line_finished;

/* From the line after the last: REQ_LATER, or the result of the whole. */
static int64_t run_waiting(struct work *work, struct sfs_req *req)
{
	int rc;

	while (work_next(work)) {
		req_begin(req, line_finished, work);
		work->cmd.req = req;
		errors_begin();
		rc = file_attr(work->file)->store(file_dir(work->file), &work->cmd);
		if (rc == SFS_LATER)
			return REQ_LATER; /* neither work nor req are ours any more */
		req_settle(req, rc);
		if (!work_took(work, rc, NULL))
			break;
	}
	return work_end(work);
}

static void resume(struct sfs_req *req)
{
	int64_t result = run_waiting(req_arg(req), req);

	if (result != REQ_LATER)
		req_answer(req, result);
}

static void line_finished(struct sfs_req *req, int rc, struct sfs_blob *answer)
{
	struct work *work = req_arg(req);

	if (!answer && rc >= 0)
		answer = sfs_blob_new("", 0);
	if (work_took(work, rc, answer) && work->next < work->size)
		/* not here: the backend may hold what the next line needs */
		req_continue(req, resume);
	else
		req_answer(req, work_end(work));
}

static int64_t begin_waiting(struct work *work, struct sfs_req *req)
{
	int64_t result;

	if (!file_nonblocking(work->file) || work->whole)
		return run_waiting(work, req);
	if (!file_claim(work->file)) {
		work->cmd.text = work->text;
		work->cmd.len = work->size;
		work_took(work, sfs_fail(-EAGAIN, "the command before this one has not ended"),
			  NULL);
		return work_end(work);
	}
	work->background = true;
	req_detach(req, (int64_t)work->size);
	result = run_waiting(work, req);
	if (result != REQ_LATER)
		req_answer(req, result);
	return REQ_LATER;
}

static int64_t run(struct work *work, struct sfs_req *req)
{
	return file_attr(work->file)->flags & SFS_WAITS ? begin_waiting(work, req) : run_now(work);
}

int64_t command_lines(struct file *file, const struct file_bytes *bytes, struct sfs_req *req)
{
	struct work *work = work_new(file, bytes);

	return work ? run(work, req) : -ENOMEM;
}

int64_t command_raw(struct file *file, const struct file_bytes *bytes, struct sfs_req *req)
{
	struct work *work = work_new(file, bytes);

	if (!work)
		return -ENOMEM;
	work->whole = work->raw = true;
	work->cmd.nonblocking = file_nonblocking(file);
	return run(work, req);
}

int64_t command_whole(struct file *file, const struct file_bytes *bytes, struct sfs_req *req)
{
	struct work *work = work_new(file, bytes);

	if (!work)
		return -ENOMEM;
	work->whole = true;
	return run(work, req);
}
