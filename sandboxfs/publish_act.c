/* SPDX-License-Identifier: MIT */
/* One announcement on a publishing thread: which calls make it, and what the kernel is told besides. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "announce.h"
#include "notify.h"
#include "publish_call.h"

#define UIDS_MAX 64 /* inodes of one row that are announced for a change that concerns everybody */

/* A change that concerns everybody, of a row that has an inode for each uid. */
static void announce_to_all(unsigned lane, const struct publish_mount *mount, struct call call,
			    unsigned row)
{
	uid_t uids[UIDS_MAX];
	unsigned n, i;

	n = node_row_uids(node_obj(call.node), row, uids, UIDS_MAX);
	if (!n)
		uids[n++] = geteuid();
	for (i = 0; i < n; i++) {
		call.uid = uids[i];
		(void)call_make(lane, mount, &call);
	}
}

static void announce_row(unsigned lane, const struct publish_mount *mount, const struct call *call,
			 unsigned row)
{
	if (node_gone(node_obj(call->node)))
		return;
	if (call->uid == SFS_EVERYBODY &&
	    (node_obj(call->node)->type->attrs[row].flags & SFS_PER_UID))
		announce_to_all(lane, mount, *call, row);
	else
		(void)call_make(lane, mount, call);
}

/* Where the answer was that it is not there, nobody has it to forget. */
static void announce_gone_name(unsigned lane, const struct publish_mount *mount,
			       const struct call *call)
{
	int err = call_make(lane, mount, call);

	if (err && err != -ENOENT)
		notify_gone(call->node->dir->node.id, call->name);
}

static void announce_dir(unsigned lane, const struct publish_mount *mount, const struct call *call)
{
	if (node_gone(node_obj(call->node)))
		return;
	(void)call_make(lane, mount, call);
	announce_done(node_obj(call->node));
}

/* What cannot be renamed, mostly since it has gone under its new name as well, goes; and comes. */
static void announce_rename(unsigned lane, const struct publish_mount *mount,
			    const struct call *moved)
{
	struct call went = *moved, came = { .kind = CALL_MKDIR, .node = moved->to };

	if (!call_make(lane, mount, moved))
		return;
	went.kind = CALL_RMDIR;
	announce_gone_name(lane, mount, &went);
	snprintf(came.name, sizeof(came.name), "%s", moved->to->name);
	announce_dir(lane, mount, &came);
}

void call_announce(unsigned lane, const struct publish_mount *mount, const struct call *call,
		   unsigned row)
{
	switch (call->kind) {
	case CALL_TRUNCATE:
		announce_row(lane, mount, call, row);
		break;
	case CALL_MKDIR:
		announce_dir(lane, mount, call);
		break;
	case CALL_RENAME:
		announce_rename(lane, mount, call);
		break;
	default:
		announce_gone_name(lane, mount, call);
	}
}
