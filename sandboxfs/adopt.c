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

	/* His descriptor tells him. */
	ledger_lost_is_told(open->dir, open->name, &open->who);
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

/* ---- changes of names ------------------------------------------------------------------------ */

int adopt_missing(const struct where *where, const struct sfs_cred *who)
{
	if (!ledger_lost(where->dir, where->name, who))
		return -ENOENT;
	return note(where->dir, where->name, who,
		    sfs_fail(-EAGAIN,
			     "the daemon was replaced, and what was staged as '%.80s' is lost: copy it again",
			     where->name));
}

static int repeated(const struct where *where, const struct sfs_cred *who, bool done)
{
	ledger_lost_is_told(where->dir, where->name, who);
	return note(where->dir, where->name, who, done ? 0 : sfs_fail(-EAGAIN, done_or_not));
}

/* Its directory is there, and is it? */
static bool look(const struct where *where, const struct sfs_cred *who, struct node **out)
{
	struct node *dir = node_find(where->dir);
	bool there = dir && dir->kind == NODE_DIR && !node_gone(node_obj(dir));

	*out = there ? node_child(node_obj(dir), where->name, who) : NULL;
	there = there && (*out || node_row_number(node_obj(dir), where->name) < 0);
	node_put(dir);
	return there;
}

/* What comes by itself, with a codelet, nobody has made. */
int adopt_mkdir(const struct where *where, const struct sfs_cred *who, struct seen *out)
{
	struct node *node;
	bool done = look(where, who, &node) && node && node->kind == NODE_DIR &&
		    !node_obj(node)->type->moves && node->uid == who->uid;

	node_put(node);
	return repeated(where, who, done) ?: dir_lookup(where, who, out);
}

int adopt_remove(const struct where *where, const struct sfs_cred *who)
{
	struct node *node;
	bool done = look(where, who, &node) && !node;

	node_put(node);
	return repeated(where, who, done);
}

/* What was staged went with the daemon, whether it was renamed or not. */
int adopt_rename(const struct where *from, const struct where *to, const struct sfs_cred *who)
{
	struct node *old, *fresh;
	bool done = look(from, who, &old) && !old;

	done = look(to, who, &fresh) && fresh && done && from->name[0] != '.' &&
	       from->dir == to->dir;
	node_put(old);
	node_put(fresh);
	return repeated(from, who, done);
}

/* ---- commands -------------------------------------------------------------------------------- */

int64_t adopt_command(struct file *file)
{
	return file_answer(file, NULL, sfs_fail(-EAGAIN, done_or_not), NULL);
}
