/* SPDX-License-Identifier: MIT */
/* What chmod, chown, truncate and utimens mean for rows, files and directories. */
#include "change.h"

#include <errno.h>
#include <stdio.h>

#include "file.h"
#include "perm.h"
#include "rows.h"
#include "upload.h"

static void change_row(struct row_node *row, const struct change *change)
{
	struct sfs_obj *dir = row->node.dir;
	struct row_state *state = &dir->rows[row->row];

	if (change->mode_set)
		state->mode = change->mode & 0777;
	if ((change->uid_set || change->gid_set) && !state->owned) {
		state->owned = true;
		state->uid = dir->node.uid;
		state->gid = dir->node.gid;
	}
	if (change->uid_set)
		state->uid = change->uid;
	if (change->gid_set)
		state->gid = change->gid;
}

static int keep_row(struct row_node *row, const struct change *change, const struct sfs_cred *who)
{
	struct row_state *state = &row->node.dir->rows[row->row], old;
	int err = 0;

	pthread_mutex_lock(&tree_lock);
	old = *state;
	change_row(row, change);
	pthread_mutex_unlock(&tree_lock);
	if (change->mode_set || change->uid_set || change->gid_set)
		err = rows_keep(row->node.dir, row->row, who);
	if (!err)
		return 0;
	pthread_mutex_lock(&tree_lock);
	*state = old;
	pthread_mutex_unlock(&tree_lock);
	return err;
}

static void change_node(struct node *node, const struct change *change)
{
	if (change->mode_set)
		node->mode = change->mode & (node->kind == NODE_DIR ? 01777 : 0777);
	if (change->uid_set)
		node->uid = change->uid;
	if (change->gid_set)
		node->gid = change->gid;
	if (change->mtime_set)
		node->mtime_ns = change->mtime_ns;
	node->ctime_ns = sfs_wall_ns();
}

/*
 * A committed file lives in the backend, which has to agree and to remember. What the name leads to
 * no more is its descriptors' alone: the name may be of another's file now.
 */
static int tell_backend(struct node *node, const struct change *change, const struct sfs_cred *who)
{
	const struct sfs_uploads *uploads = node->dir->type->uploads;
	char name[SFS_NAME_MAX + 1];
	struct node want;
	bool committed;
	int err = 0;

	pthread_mutex_lock(&tree_lock);
	committed = node_as_file(node)->committed && node->linked;
	want.kind = NODE_FILE;
	want.uid = node->uid;
	want.gid = node->gid;
	want.mode = node->mode;
	snprintf(name, sizeof(name), "%s", node->name);
	pthread_mutex_unlock(&tree_lock);
	if (!committed)
		return 0;
	if (change->mtime_set && uploads->set_mtime)
		err = uploads->set_mtime(node->dir, name, change->mtime_ns, who);
	if (err || !(change->mode_set || change->uid_set || change->gid_set))
		return err;
	if (!uploads->set_owner)
		return sfs_fail(-EPERM, "owner and mode of '%.64s' cannot be changed", name);
	change_node(&want, change);
	return uploads->set_owner(node->dir, name,
				  &(struct sfs_owner){ want.uid, want.gid, want.mode }, who);
}

/* A directory whose backend remembers owner and mode; true: it has been asked. */
static bool ask_directory(struct node *node, const struct change *change, int *err)
{
	struct node want;

	if (node->kind != NODE_DIR || !node_obj(node)->type->set_owner ||
	    !(change->mode_set || change->uid_set || change->gid_set))
		return false;
	pthread_mutex_lock(&tree_lock);
	want = (struct node){ .kind = NODE_DIR };
	want.uid = node->uid;
	want.gid = node->gid;
	want.mode = node->mode;
	pthread_mutex_unlock(&tree_lock);
	change_node(&want, change);
	*err = node_obj(node)->type->set_owner(node_obj(node), want.uid, want.gid, want.mode);
	return true;
}

static int judge_change(struct node *node, const struct change *change, const struct sfs_cred *who)
{
	struct stat st;
	int err = 0;

	node_stat(node, &st);
	if (change->uid_set && change->uid != st.st_uid && who->uid != 0)
		return sfs_fail(-EPERM, "only root can give this to uid %u", change->uid);
	if (change->mode_set || change->uid_set || change->gid_set || change->mtime_set)
		err = perm_owner(who, &st);
	if (!err && change->gid_set && change->gid != st.st_gid)
		err = perm_give(who, change->gid);
	return err;
}

static int change_size(struct node *node, const struct change *change, struct file *file)
{
	struct stat st;

	if (!change->size_set || node->kind != NODE_FILE)
		return 0;
	if (file)
		return file_truncate(file, change->size);
	node_stat(node, &st);
	if (st.st_size == change->size)
		return 0;
	return sfs_fail(-EPERM,
			"a file here changes only through a descriptor that is open for writing");
}

int change_apply(struct node *node, const struct change *change, const struct sfs_cred *who,
		 struct file *file)
{
	int err = judge_change(node, change, who);

	err = err ?: change_size(node, change, file);
	if (!err && node->kind == NODE_FILE)
		err = tell_backend(node, change, who);
	if (err || ask_directory(node, change, &err))
		return err;
	if (node->kind == NODE_FILE && change->mtime_set)
		upload_set_mtime(node_as_file(node), change->mtime_ns);
	if (node->kind == NODE_ROW)
		return keep_row(node_as_row(node), change, who);
	pthread_mutex_lock(&tree_lock);
	change_node(node, change);
	pthread_mutex_unlock(&tree_lock);
	return 0;
}
