/* SPDX-License-Identifier: MIT */
/* Open files that outlive a daemon: what has to be known of one, and its second beginning. */
#include <errno.h>

#include "file_priv.h"
#include "ledger.h"
#include "upload.h"

void file_describe(const struct file *file, struct ledger_open *out)
{
	out->node = file->node->id;
	out->dir = file->node->dir->node.id;
	out->flags = file->flags;
	out->who = file->who;
	out->flushes = file_flushes(file);
	out->row = file->upload ? LEDGER_FILE : row_of(file)->row;
	if (file->upload)
		upload_describe(file->upload, out);
	else
		out->for_uid = row_of(file)->for_uid;
}

/*
 * What it gives is rendered when it is read, and has perhaps changed; nobody is asked again whether
 * he may. What the dead daemon made for this one open file is gone.
 */
static int open_again(struct file *file)
{
	if (file->node->kind != NODE_ROW)
		return upload_open(node_as_file(file->node), file->flags, &file->who,
				   &file->upload);
	if (node_attr(row_of(file))->open || node_attr(row_of(file))->writers)
		return -ENODEV;
	poller_add(&file->poller, row_of(file));
	poller_set_changed(&file->poller);
	return 0;
}

int file_reopen(struct node *node, const struct ledger_open *was, struct file **out)
{
	struct ledger_open is = { 0 };
	int err = file_open_by(node, was->flags, &was->who, open_again, out);

	if (err || !(*out)->upload)
		return err;
	upload_describe((*out)->upload, &is);
	if (is.ino == was->ino && is.size == was->size)
		return 0;
	/* Else a reader would get one file's beginning and another one's end. */
	file_put(*out);
	return -ESTALE;
}
