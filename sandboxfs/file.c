/* SPDX-License-Identifier: MIT */
/* Open files: opening, closing, and the snapshots that they read. */
#include "file_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "errors.h"
#include "ledger.h"
#include "perm.h"
#include "poller.h"
#include "render.h"
#include "req.h"
#include "upload.h"

/* ---- what it holds in memory ----------------------------------------------------------------- */

#define HELD_LEAST (64u << 10) /* shorter texts are within what an open file may cost */

int file_set_text(struct file *file, struct sfs_blob *text, bool answered)
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

/* An open that makes something is a success like that of a command, if it is one for writing. */
static void note_made(const struct file *file)
{
	const char *name = node_attr(row_of(file))->name;

	if ((file->flags & O_ACCMODE) == O_RDONLY)
		errors_settle(file->node->dir, name, &file->who);
	else
		(void)errors_note(file->node->dir, name, &file->who, 0);
}

static int open_row(struct file *file)
{
	const struct sfs_attr *attr = node_attr(row_of(file));
	struct sfs_blob *text = NULL;
	int err, rc = 0;

	if (node_gone(file->node->dir))
		return sfs_fail(-ESTALE, "'%.64s' is gone", sfs_name(file->node->dir));
	if ((file->flags & O_ACCMODE) != O_RDONLY && !attr->store)
		return sfs_fail(-EPERM, "'%s' cannot be written", attr->name);
	poller_add(&file->poller, row_of(file));
	if (attr->writers && (file->flags & O_ACCMODE) != O_RDONLY) {
		attr->writers(file->node->dir, 1);
		file->counted = true;
	}
	if (attr->open) {
		rc = attr->open(file->node->dir, &file->who, &text, &file->made);
		rc = rc ?: file_set_text(file, text, true);
		if (!rc)
			note_made(file);
		return rc;
	}
	if ((file->flags & O_ACCMODE) != O_WRONLY)
		rc = file_set_text(file, render_measured(row_of(file), &file->who, false, &err),
				   false);
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
	/* The mode of what this very call has made is for the calls after it. */
	if (err && !(file->flags & O_CREAT))
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

void file_note_refusal(struct node *node, const struct sfs_cred *who, int err)
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
		file_note_refusal(node, who, err);
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
	poller_remove(&file->poller);
	if (file->made)
		node_attr(row_of(file))->close(file->node->dir, file->made);
	if (file->counted)
		node_attr(row_of(file))->writers(file->node->dir, -1);
	(void)file_set_text(file, NULL, false);
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

static bool is_stream(const struct file *file)
{
	return node_attr(row_of(file))->flags & SFS_STREAM;
}

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
	if (file->ended)
		return file->ended = false;
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
	if (!is_stream(file))
		return;
	file->ended = !out->size;
	poller_set_more(&file->poller, out->offset + out->size < have);
}

int file_read(struct file *file, size_t size, off_t offset, struct file_piece *out)
{
	struct sfs_blob *text;
	int err = node_check(file->node->dir);
	bool have;

	if (err)
		return err;
	pthread_mutex_lock(&file->lock);
	have = continues(file, offset) && file->text;
	if (have)
		take_piece(file, size, offset, out);
	pthread_mutex_unlock(&file->lock);
	if (have)
		return 0;
	/* Before it is rendered: a change meanwhile is news again. */
	poller_seen(&file->poller);
	text = render_row(row_of(file), &file->who, &err);
	if (!text)
		return err;
	pthread_mutex_lock(&file->lock);
	err = file_set_text(file, text, false);
	if (!err)
		take_piece(file, size, offset, out);
	pthread_mutex_unlock(&file->lock);
	return err;
}

ssize_t file_read_upload(struct file *file, void *data, size_t size, off_t offset)
{
	return upload_read(file->upload, data, size, offset);
}
