/* SPDX-License-Identifier: MIT */
/* Rows become bytes: rendered when they are read, and measured when their size is asked for. */
#include "render.h"

#include <errno.h>

#define MEASURED_NS 1000000000u /* for how long an open may serve what a lookup measured */

struct sfs_blob *render_row(struct row_node *row, const struct sfs_cred *who, int *err)
{
	const struct sfs_attr *attr = node_attr(row);
	struct sfs_cred cred = *who;
	struct sfs_blob *blob = NULL;
	struct sfs_buf *buf;

	*err = 0;
	/* The inode of one uid shows what is his, whoever holds a descriptor of it. */
	if (attr->flags & SFS_PER_UID)
		cred.uid = row->for_uid;
	if (attr->blob)
		return attr->blob(row->node.dir, &cred) ?: sfs_blob_new("", 0);
	buf = sfs_buf_new();
	if (buf && (attr->link ?: attr->show))
		*err = (attr->link ?: attr->show)(row->node.dir, &cred, buf);
	if (*err) {
		sfs_buf_free(buf);
		return NULL;
	}
	blob = sfs_buf_finish(buf);
	if (!blob)
		*err = sfs_fail(-ENOMEM, "out of memory");
	return blob;
}

/* Under tree_lock. */
static bool measured_holds(const struct row_node *row)
{
	return row->measured && row->measured_changes == row->node.dir->changes &&
	       sfs_now_ns() - row->measured_ns < MEASURED_NS;
}

struct sfs_blob *render_measured(struct row_node *row, const struct sfs_cred *who, bool fresh,
				 int *err)
{
	struct sfs_blob *blob = NULL, *old = NULL;
	uint64_t changes;

	*err = 0;
	pthread_mutex_lock(&tree_lock);
	if (!fresh && measured_holds(row))
		blob = sfs_blob_get(row->measured);
	changes = row->node.dir->changes;
	pthread_mutex_unlock(&tree_lock);
	if (blob)
		return blob;
	blob = render_row(row, who, err);
	pthread_mutex_lock(&tree_lock);
	old = row->measured;
	row->measured = sfs_blob_get(blob);
	row->measured_ns = sfs_now_ns();
	row->measured_changes = changes;
	pthread_mutex_unlock(&tree_lock);
	sfs_blob_put(old);
	return blob;
}
