/* SPDX-License-Identifier: MIT */
/* Open files: snapshots, answers, and specs that are gathered until a flush. */
#include "file_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "command.h"
#include "errors.h"
#include "ledger.h"
#include "perm.h"
#include "render.h"
#include "req.h"
#include "upload.h"

/* ---- what it holds in memory ----------------------------------------------------------------- */

#define HELD_LEAST (64u << 10) /* shorter texts are within what an open file may cost */

/* Under the lock, or before others know of the file. Takes the reference; 0, or -EDQUOT with a sentence. */
static int set_text(struct file *file, struct sfs_blob *text, bool answered)
{
	uint64_t bytes = text ? sfs_blob_size(text) : 0;
	int err = bytes > HELD_LEAST ? account_hold(file->who.uid, bytes) : 0;

	if (err) {
		sfs_blob_put(text);
		return err;
	}
	if (file->held)
		account_unhold(file->who.uid, file->held);
	file->held = bytes > HELD_LEAST ? bytes : 0;
	sfs_blob_put(file->text);
	file->text = text;
	file->answered = answered;
	file->unread = false;
	return 0;
}

/* ---- open and release ------------------------------------------------------------------------ */

static int open_row(struct file *file)
{
	const struct sfs_attr *attr = node_attr(row_of(file));
	int err, rc = 0;

	if (node_gone(file->node->dir))
		return sfs_fail(-ESTALE, "'%.64s' is gone", sfs_name(file->node->dir));
	if ((file->flags & O_ACCMODE) != O_RDONLY && !attr->store)
		return sfs_fail(-EPERM, "'%s' cannot be written", attr->name);
	if ((file->flags & O_ACCMODE) != O_WRONLY)
		rc = set_text(file, render_measured(row_of(file), &file->who, false, &err), false);
	file->unread = file->text;
	return rc;
}

static int open_checked(struct file *file)
{
	static const int wants[] = { [O_RDONLY] = R_OK, [O_WRONLY] = W_OK, [O_RDWR] = R_OK | W_OK };
	struct stat st;
	int err;

	node_stat(file->node, &st);
	err = perm_access(&file->who, &st, wants[(file->flags & O_ACCMODE) % 3]);
	if (err)
		return err;
	if (file->node->kind == NODE_ROW)
		return open_row(file);
	return upload_open(node_as_file(file->node), file->flags, &file->who, &file->upload);
}

/* Where a user reads why he is refused everything else: error, status and their like at the top. */
static bool tells_why(const struct node *node)
{
	return node->kind == NODE_ROW && node->dir == node_root() &&
	       !node_attr((const struct row_node *)node)->store;
}

int file_open_by(struct node *node, int flags, const struct sfs_cred *who,
		 int (*open)(struct file *file), struct file **out)
{
	struct file *file;
	int err = account_open(who->uid, tells_why(node));

	if (err)
		return err;
	file = calloc(1, sizeof(*file));
	if (!file) {
		account_close(who->uid);
		return -ENOMEM;
	}
	atomic_init(&file->refs, 1);
	pthread_mutex_init(&file->lock, NULL);
	file->node = node_get(node);
	file->flags = flags;
	file->who = *who;
	err = open(file);
	if (err)
		file_put(file);
	else
		*out = file;
	return err;
}

/* For what has no open file to read the sentence from, or none of the kind that gives it. */
static void note_refusal(struct node *node, const struct sfs_cred *who, int err)
{
	char name[NODE_STAGING_MAX + 1];

	if (node->kind == NODE_ROW) {
		snprintf(name, sizeof(name), "%s", node_attr(node_as_row(node))->name);
	} else {
		pthread_mutex_lock(&tree_lock);
		snprintf(name, sizeof(name), "%s", node->name);
		pthread_mutex_unlock(&tree_lock);
	}
	errors_note(node->dir, name, who, err);
}

int file_open(struct node *node, int flags, const struct sfs_cred *who, struct file **out)
{
	int err;

	if (node->kind == NODE_DIR)
		return -EISDIR;
	err = file_open_by(node, flags, who, open_checked, out);
	if (err)
		note_refusal(node, who, err);
	return err;
}

struct file *file_get(struct file *file)
{
	atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
	return file;
}

void file_put(struct file *file)
{
	if (atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (file->upload)
		upload_close(file->upload);
	(void)set_text(file, NULL, false);
	account_close(file->who.uid);
	free(file->spec);
	pthread_mutex_destroy(&file->lock);
	node_put(file->node);
	free(file);
}

void file_release(struct file *file)
{
	req_release(file);
	file_put(file);
}

void file_release_all(void)
{
	struct file *file;

	while ((file = ledger_put_any()))
		file_release(file);
}

bool file_is_upload(const struct file *file)
{
	return file->upload;
}

bool file_flushes(const struct file *file)
{
	if ((file->flags & O_ACCMODE) == O_RDONLY)
		return false;
	return file->upload || (node_attr(row_of(file))->flags & SFS_WHOLE);
}

bool file_write_waits(const struct file *file)
{
	return !file->upload &&
	       (node_attr(row_of(file))->flags & (SFS_WAITS | SFS_WHOLE)) == SFS_WAITS;
}

const struct sfs_cred *file_who(const struct file *file)
{
	return &file->who;
}

struct sfs_obj *file_dir(const struct file *file)
{
	return file->node->dir;
}

const struct sfs_attr *file_attr(const struct file *file)
{
	return node_attr(row_of(file));
}

/* ---- reading --------------------------------------------------------------------------------- */

/*
 * Under the lock: does a read at offset give what is there, and from where on? Else it renders
 * anew.
 */
static bool continues(struct file *file, off_t offset)
{
	if (file->restart) {
		file->restart = false;
		file->base = offset;
		return file->answered;
	}
	if (offset < file->base)
		file->base = 0;
	if (offset != file->base)
		return file->text;
	if (file->answered)
		return true;
	if (!file->unread)
		return false;
	file->unread = false;
	return true;
}

/* Under the lock. */
static void take_piece(struct file *file, size_t size, off_t offset, struct file_piece *out)
{
	size_t at = (size_t)(offset - file->base), have = sfs_blob_size(file->text);

	out->offset = at < have ? at : have;
	out->size = have - out->offset < size ? have - out->offset : size;
	out->blob = sfs_blob_get(file->text);
}

int file_read(struct file *file, size_t size, off_t offset, struct file_piece *out)
{
	struct sfs_blob *text;
	bool have;
	int err;

	if (node_gone(file->node->dir))
		return sfs_fail(-ENODEV, "'%.64s' is gone", sfs_name(file->node->dir));
	pthread_mutex_lock(&file->lock);
	have = continues(file, offset) && file->text;
	if (have)
		take_piece(file, size, offset, out);
	pthread_mutex_unlock(&file->lock);
	if (have)
		return 0;
	text = render_row(row_of(file), &file->who, &err);
	if (!text)
		return err;
	pthread_mutex_lock(&file->lock);
	err = set_text(file, text, false);
	if (!err)
		take_piece(file, size, offset, out);
	pthread_mutex_unlock(&file->lock);
	return err;
}

ssize_t file_read_upload(struct file *file, void *data, size_t size, off_t offset)
{
	return upload_read(file->upload, data, size, offset);
}

/* ---- writing --------------------------------------------------------------------------------- */

int64_t file_answer(struct file *file, int64_t rc, struct sfs_blob *answer)
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
	if (set_text(file, answer, answer))
		(void)set_text(file, NULL, false);
	file->restart = true;
	pthread_mutex_unlock(&file->lock);
	errors_note(file->node->dir, node_attr(row_of(file))->name, &file->who, rc);
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
	return mine;
}

void file_unclaim(struct file *file)
{
	pthread_mutex_lock(&file->lock);
	file->claimed = false;
	pthread_mutex_unlock(&file->lock);
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
	if (node_gone(file->node->dir))
		return sfs_fail(-ENODEV, "'%.64s' is gone", sfs_name(file->node->dir));
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

static int64_t write_upload(struct file *file, const struct file_bytes *bytes)
{
	int64_t rc = upload_write(file->upload, bytes->data, bytes->size, bytes->offset);

	if (rc < 0)
		note_refusal(file->node, &file->who, (int)rc);
	return rc;
}

int64_t file_write(struct file *file, const struct file_bytes *bytes, struct sfs_req *req)
{
	int64_t rc;

	if (file->upload)
		return write_upload(file, bytes);
	rc = judge_bytes(file, bytes);
	if (!rc && (node_attr(row_of(file))->flags & SFS_WHOLE)) {
		rc = gather(file, bytes);
		if (rc >= 0)
			return rc;
	}
	if (rc < 0)
		return file_answer(file, rc, NULL);
	return command_lines(file, bytes, req);
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
	rc = copy ? command_whole(file, &bytes, req) : -ENOMEM;
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
