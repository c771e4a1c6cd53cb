/* SPDX-License-Identifier: MIT */
/* Open files: commands and their answers, specs that are gathered until a flush, poll(2). */
#include "file_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "errors.h"
#include "notify.h"
#include "upload.h"

int64_t file_answer(struct file *file, const struct sfs_cmd *cmd, int64_t rc,
		    struct sfs_blob *answer)
{
	const char *sentence;
	struct sfs_buf *buf;

	if (rc < 0) {
		sentence = errors_sentence(rc);
		buf = sfs_buf_new();
		sfs_put(buf, "%s\n", sentence);
		sfs_blob_put(answer);
		answer = sfs_buf_finish(buf);
	}
	pthread_mutex_lock(&file->lock);
	if (file_set_text(file, answer, answer))
		(void)file_set_text(file, NULL, false);
	file->restart = true;
	pthread_mutex_unlock(&file->lock);
	errors_note_command(file->node->dir, node_attr(row_of(file))->name, &file->who, rc, cmd);
	/* Also after a refusal: "error" is different now. */
	node_touch(file->node->dir, rc < 0 ? -1 : (int)row_of(file)->row);
	return rc;
}

bool file_nonblocking(const struct file *file)
{
	return file->flags & O_NONBLOCK;
}

bool file_claim(struct file *file)
{
	bool mine;

	pthread_mutex_lock(&file->lock);
	mine = !file->claimed;
	file->claimed = true;
	pthread_mutex_unlock(&file->lock);
	if (mine)
		poller_set_busy(&file->poller, true);
	return mine;
}

void file_unclaim(struct file *file)
{
	pthread_mutex_lock(&file->lock);
	file->claimed = false;
	pthread_mutex_unlock(&file->lock);
	poller_set_busy(&file->poller, false);
}

unsigned file_poll(struct file *file, void *handle)
{
	if (!file->upload && !node_gone(file->node->dir))
		return poller_arm(&file->poller, handle);
	notify_poll_free(handle);
	return file->upload ? POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM
			    : POLLIN | POLLRDNORM | POLLPRI | POLLERR;
}

void file_set_cut(struct file *file, size_t size)
{
	pthread_mutex_lock(&file->lock);
	file->cut = size;
	pthread_mutex_unlock(&file->lock);
}

/*
 * The rest of a write that ended within a line, sent again because only its whole lines were taken.
 */
static bool is_cut_again(struct file *file, const struct file_bytes *bytes)
{
	bool again;

	pthread_mutex_lock(&file->lock);
	again = file->cut && file->cut == bytes->size && !memchr(bytes->data, '\n', bytes->size);
	file->cut = 0;
	pthread_mutex_unlock(&file->lock);
	return again;
}

static int judge_bytes(struct file *file, const struct file_bytes *bytes)
{
	int err = node_check(file->node->dir);

	if (err || (node_attr(row_of(file))->flags & SFS_RAW))
		return err;
	if (bytes->size > SFS_COMMAND_MAX)
		return sfs_fail(-E2BIG, "a write here has at most %d bytes, not %zu",
				SFS_COMMAND_MAX, bytes->size);
	if (memchr(bytes->data, '\0', bytes->size))
		return sfs_fail(-EINVAL, "a NUL byte is not text");
	if (is_cut_again(file, bytes))
		return sfs_fail(-EINVAL, "line cut: '%.*s' came without the rest of its line",
				bytes->size < 40 ? (int)bytes->size : 40, bytes->data);
	return 0;
}

static int64_t gather(struct file *file, const struct file_bytes *bytes)
{
	char *spec = NULL;

	pthread_mutex_lock(&file->lock);
	if (file->spec_size + bytes->size <= SFS_COMMAND_MAX)
		spec = realloc(file->spec, file->spec_size + bytes->size + 1);
	if (spec) {
		memcpy(spec + file->spec_size, bytes->data, bytes->size);
		file->spec = spec;
		file->spec_size += bytes->size;
		file->spec_dirty = true;
	}
	pthread_mutex_unlock(&file->lock);
	if (!spec)
		return sfs_fail(-E2BIG, "a specification has at most %d bytes", SFS_COMMAND_MAX);
	return (int64_t)bytes->size;
}

/*
 * What has come of a list so far, up to its last newline: a bad line is refused by the write that brought it, since few
 * look at what close(2) returns.
 */
static int judge_early(struct file *file, const struct file_bytes *bytes)
{
	const struct sfs_attr *attr = node_attr(row_of(file));
	struct sfs_cmd cmd = { .who = file->who };
	char *copy, *end;
	int rc = 0;

	if (!attr->check)
		return 0;
	pthread_mutex_lock(&file->lock);
	copy = malloc(file->spec_size + bytes->size + 1);
	if (copy) {
		memcpy(copy, file->spec ?: "", file->spec_size);
		memcpy(copy + file->spec_size, bytes->data, bytes->size);
		cmd.len = file->spec_size + bytes->size;
	}
	pthread_mutex_unlock(&file->lock);
	end = copy ? memrchr(copy, '\n', cmd.len) : NULL;
	if (end) {
		*end = '\0';
		cmd.text = copy;
		cmd.len = (size_t)(end - copy);
		rc = attr->check(file->node->dir, &cmd);
	}
	if (rc)
		file_answer(file, &cmd, rc, NULL);
	free(copy);
	return rc;
}

static int64_t write_upload(struct file *file, const struct file_bytes *bytes)
{
	int64_t rc = upload_write(file->upload, bytes->data, bytes->size, bytes->offset);

	if (rc < 0)
		file_note_refusal(file->node, &file->who, (int)rc);
	return rc;
}

int64_t file_write(struct file *file, const struct file_bytes *bytes, struct sfs_req *req)
{
	const struct sfs_cmd cmd = { .text = bytes->data, .len = bytes->size };
	int64_t rc;

	if (file->upload)
		return write_upload(file, bytes);
	rc = judge_bytes(file, bytes);
	if (rc < 0)
		return file_answer(file, &cmd, rc, NULL);
	if (node_attr(row_of(file))->flags & SFS_RAW)
		return command_raw(file, bytes, req);
	if (!(node_attr(row_of(file))->flags & SFS_WHOLE))
		return command_lines(file, bytes, req);
	rc = judge_early(file, bytes);
	if (rc < 0)
		return rc;
	rc = gather(file, bytes);
	return rc < 0 ? file_answer(file, &cmd, rc, NULL) : rc;
}

static int64_t flush_spec(struct file *file, struct sfs_req *req)
{
	struct file_bytes bytes = { 0 };
	char *copy = NULL;
	bool dirty;
	int64_t rc;

	pthread_mutex_lock(&file->lock);
	dirty = file->spec_dirty;
	if (dirty)
		copy = malloc(file->spec_size);
	if (copy) {
		memcpy(copy, file->spec, file->spec_size);
		bytes.size = file->spec_size;
		file->spec_dirty = false;
	}
	pthread_mutex_unlock(&file->lock);
	if (!dirty)
		return 0;
	bytes.data = copy;
	rc = copy ? node_check(file->node->dir) : -ENOMEM;
	rc = rc ?: command_whole(file, &bytes, req);
	free(copy);
	return rc;
}

int64_t file_flush(struct file *file, struct sfs_req *req)
{
	if (file->upload)
		return upload_flush(file->upload, &file->who, req);
	return file_flushes(file) ? flush_spec(file, req) : 0;
}

int64_t file_sync(struct file *file, struct sfs_req *req)
{
	return file->upload ? upload_sync(file->upload, &file->who, req) : file_flush(file, req);
}

int file_truncate(struct file *file, off_t size)
{
	return file->upload ? upload_truncate(file->upload, size) : 0;
}
