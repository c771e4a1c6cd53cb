/* SPDX-License-Identifier: MIT */
/* What the dead daemon had open is opened again, or refused. */
#include "adopt.h"

#include <errno.h>
#include <fcntl.h>

#include "errors.h"
#include "file.h"
#include "ledger.h"
#include "upload.h"

static const char done_or_not[] =
	"the daemon was replaced while it worked on this: see whether it was done, and do it again if not";

/* ---- opening again --------------------------------------------------------------------------- */

static int find_row(struct sfs_obj *dir, const struct ledger_open *open, struct node **out)
{
	if (open->row >= dir->nrows)
		return -ENODEV;
	*out = (struct node *)node_adopt_row(dir, open->row, open->for_uid, open->node);
	return *out ? 0 : -ENODEV;
}

static int find_file(struct sfs_obj *dir, const struct ledger_open *open, struct node **out)
{
	struct node *node = node_child(dir, open->name, NULL);

	if (!node || node->kind != NODE_FILE) {
		node_put(node);
		return -ESTALE;
	}
	*out = node;
	return 0;
}

/* Bytes on their way died with the daemon: the file must not go on as if it had none. */
static bool lost(uint64_t fh, const struct ledger_open *open)
{
	return open->flushes && (open->fresh || ledger_written(fh));
}

static int open_again(const struct ledger_open *open, struct file **out)
{
	struct node *dir = node_find(open->dir), *node = NULL;
	int err = dir && dir->kind == NODE_DIR ? 0 : -ENODEV;

	if (!err)
		err = open->row == LEDGER_FILE ? find_file(node_obj(dir), open, &node)
					       : find_row(node_obj(dir), open, &node);
	if (!err)
		err = file_reopen(node, open, out);
	node_put(node);
	node_put(dir);
	return err;
}

static void adopt(uint64_t fh, const struct ledger_open *open)
{
	struct file *file = NULL;
	int err = lost(fh, open) ? -EAGAIN : open_again(open, &file);

	if (err)
		ledger_refused(fh, err);
	else
		ledger_reopened(fh, file);
}

void adopt_all(void)
{
	ledger_each(adopt);
}

/* ---- refusing -------------------------------------------------------------------------------- */

static int note(uint64_t dir_id, const char *name, const struct sfs_cred *who, int err)
{
	struct node *dir = node_find(dir_id);

	if (dir && dir->kind == NODE_DIR)
		errors_note(node_obj(dir), name, who, err);
	else
		errors_note(node_root(), name, who, err);
	node_put(dir);
	return err;
}

int adopt_refusal(uint64_t fh, const struct sfs_cred *who)
{
	int err = -ESTALE;
	const struct ledger_open *open = ledger_opened(fh, &err);
	const char *name = open && open->name[0] ? open->name : NULL;

	if (!open)
		return sfs_fail(-ESTALE, "this open file is not known here");
	if (err == -EAGAIN)
		(void)sfs_fail(err, "the daemon was replaced, and what was written to '%.64s' is lost: "
				    "open it and write it again",
			       name ?: "this file");
	else if (err == -ENODEV)
		(void)sfs_fail(err, "the daemon was replaced, and what this was is gone");
	else
		(void)sfs_fail(err, "the daemon was replaced, and '%.64s' is not what was opened",
			       name ?: "this file");
	return note(open->dir, name, who, err);
}

int adopt_repeated(uint64_t dir, const char *name, const struct sfs_cred *who)
{
	return note(dir, name, who, sfs_fail(-EAGAIN, done_or_not));
}

int64_t adopt_command(struct file *file)
{
	return file_answer(file, NULL, sfs_fail(-EAGAIN, done_or_not), NULL);
}
