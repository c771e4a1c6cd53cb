/* SPDX-License-Identifier: MIT */
/* One judgement of staged bytes, from the hand-over to its end. */
#include "commit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "errors.h"
#include "req.h"

struct commit {
	struct file_node *file; /* counted: whose bytes */
	char name[SFS_NAME_MAX + 1];
	struct sfs_cred who;
	bool renaming, syncing;
	uint64_t mtime_ns; /* asked for before; 0: not */
	bool given;        /* chown(2) came before; to whom is below */
	struct sfs_owner owner;
};

bool file_committed(struct file_node *file)
{
	bool is;

	pthread_mutex_lock(&tree_lock);
	is = file->committed;
	pthread_mutex_unlock(&tree_lock);
	return is;
}

/* Of what chown(2) and utimens(2) set while nothing was committed, this remains to be done. */
static void show_asked(const struct commit *commit)
{
	struct node *node = node_child(commit->file->node.dir, commit->name, NULL);

	if (node && node->kind == NODE_FILE) {
		pthread_mutex_lock(&tree_lock);
		if (commit->mtime_ns)
			node->mtime_ns = commit->mtime_ns;
		if (commit->given) {
			node->uid = commit->owner.uid;
			node->gid = commit->owner.gid;
		}
		pthread_mutex_unlock(&tree_lock);
	}
	node_put(node);
}

/*
 * Accepted: gives it to whom it was to belong. What replaced somebody else's codelet stays that
 * one's, whoever brought it.
 */
static int accepted(struct commit *commit)
{
	const struct sfs_uploads *uploads = uploads_of(commit->file);
	int rc = 0;

	if (commit->given)
		rc = uploads->set_owner ? uploads->set_owner(commit->file->node.dir, commit->name,
							     &commit->owner, &commit->who)
					: -EPERM;
	if (rc)
		commit->given = false;
	/* It is there, whatever becomes of its time. */
	if (commit->mtime_ns && uploads->set_mtime)
		(void)uploads->set_mtime(commit->file->node.dir, commit->name, commit->mtime_ns,
					 &commit->who);
	show_asked(commit);
	commit->given = false;
	commit->mtime_ns = 0;
	return rc == -EPERM ? 0 : rc;
}

static int commit_end(struct commit *commit, int rc)
{
	struct file_node *file = commit->file;

	errors_note(file->node.dir, commit->name, &commit->who, rc);
	/* A staged name that was accepted is gone; a new plain name that was refused never was. */
	if (commit->renaming && !rc)
		node_unlink(&file->node, false);
	else if (!commit->renaming && rc)
		(void)node_unlink_staged(file, true);
	node_put(&file->node);
	free(commit);
	return rc;
}

static req_finished_fn commit_finished;

/* After the commit, for fsync(2): the result, or REQ_LATER. */
static int64_t sync_start(struct commit *commit, struct sfs_req *req)
{
	struct file_node *file = commit->file;
	int rc;

	commit->syncing = false;
	if (!uploads_of(file)->sync)
		return commit_end(commit, 0);
	req_begin(req, commit_finished, commit);
	rc = uploads_of(file)->sync(file->node.dir, commit->name, req);
	if (rc == SFS_LATER)
		return REQ_LATER;
	req_settle(req, rc);
	return commit_end(commit, rc);
}

static void sync_step(struct sfs_req *req)
{
	int64_t result = sync_start(req_arg(req), req);

	if (result != REQ_LATER)
		req_answer(req, result);
}

static void commit_finished(struct sfs_req *req, int rc, struct sfs_blob *answer)
{
	struct commit *commit = req_arg(req);

	sfs_blob_put(answer);
	if (!rc)
		rc = accepted(commit);
	if (!rc && commit->syncing)
		req_continue(req, sync_step);
	else
		req_answer(req, commit_end(commit, rc));
}

static void note_asked(struct commit *commit)
{
	struct file_node *file = commit->file;
	const struct node *node = &file->node;

	pthread_mutex_lock(&tree_lock);
	commit->mtime_ns = file->asked_mtime_ns;
	file->asked_mtime_ns = 0;
	commit->owner = (struct sfs_owner){ node->uid, node->gid, node->mode };
	commit->given =
		!file->committed && (node->uid != commit->who.uid || node->gid != commit->who.gid);
	pthread_mutex_unlock(&tree_lock);
}

static int64_t commit_start(struct commit *commit, struct stage *stage, struct sfs_req *req)
{
	struct file_node *file = commit->file;
	size_t size = 0;
	int fd = stage_hand_over(stage, &size), rc;

	if (fd < 0)
		return commit_end(commit, fd);
	rc = commit->renaming ? 0 : node_claim(file);
	if (rc) {
		close(fd);
		return commit_end(commit, rc);
	}
	note_asked(commit);
	req_begin(req, commit_finished, commit);
	rc = uploads_of(file)->commit(file->node.dir, commit->name, fd, size, commit->owner.mode,
				      &commit->who, req);
	if (rc == SFS_LATER)
		return REQ_LATER;
	req_settle(req, rc);
	rc = rc ?: accepted(commit);
	return !rc && commit->syncing ? sync_start(commit, req) : commit_end(commit, rc);
}

int64_t commit_begin(const struct judgement *what, const struct sfs_cred *who, struct sfs_req *req)
{
	struct commit *commit = calloc(1, sizeof(*commit));

	if (!commit)
		return -ENOMEM;
	node_get(&what->file->node);
	commit->file = what->file;
	commit->who = *who;
	commit->renaming = what->kind == COMMIT_RENAME;
	commit->syncing = what->kind == COMMIT_SYNC;
	snprintf(commit->name, sizeof(commit->name), "%.*s", SFS_NAME_MAX, what->name);
	return what->stage ? commit_start(commit, what->stage, req) : sync_start(commit, req);
}
