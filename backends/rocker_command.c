/* SPDX-License-Identifier: MIT */
/* What is done to a rocker as a whole: it is frozen, thawed, sent signals, ended. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "rocker_job.h"
#include "rocker_life.h"

struct command {
	struct rocker_answer answer; /* first */
	struct rocker *rocker;       /* counted */
	bool freeze;
};

static void command_free(struct rocker_answer *answer)
{
	struct command *command = (struct command *)answer;

	rocker_put(command->rocker);
	free(command);
}

static struct command *command_new(struct sfs_obj *dir, const struct sfs_cmd *cmd)
{
	struct command *command = calloc(1, sizeof(*command));

	if (!command)
		return NULL;
	atomic_init(&command->answer.refs, 1);
	command->answer.req = cmd->req;
	command->answer.written = cmd->text;
	command->answer.written_len = cmd->len;
	command->answer.release = command_free;
	command->rocker = rocker_get(sfs_priv(dir));
	return command;
}

/* ---- freeze ------------------------------------------------------------------------------------ */

static bool is_frozen(struct rocker *rocker)
{
	bool frozen;

	pthread_mutex_lock(&rocker->lock);
	frozen = rocker->frozen;
	pthread_mutex_unlock(&rocker->lock);
	return frozen;
}

int rocker_freeze_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)who;
	sfs_put(out, "%d\n", is_frozen(sfs_priv(dir)));
	return 0;
}

static void frozen(void *arg, int rc, const char *sentence)
{
	struct command *command = arg;
	struct rocker *rocker = command->rocker;

	pthread_mutex_lock(&rocker->lock);
	/* Its guard may have ended meanwhile. */
	if (!rc && rocker->state != ROCKER_DEAD && rocker->state != ROCKER_BUILDING)
		rocker->frozen = command->freeze;
	if (rocker->dir) {
		sfs_changed(rocker->dir, "freeze");
		sfs_changed(rocker->dir, "state");
	}
	pthread_mutex_unlock(&rocker->lock);
	if (command->freeze)
		rocker_release(rocker);
	rocker_answer_came(&command->answer, rc, sentence);
}

/* rc 0: the rocker is held if it is to be frozen. */
static void freeze_now(void *arg, int rc, const char *sentence)
{
	struct command *command = arg;
	struct launch_rocker *launch;

	if (rc) {
		rocker_answer_came(&command->answer, rc, sentence);
		return;
	}
	launch = rocker_lock_launch(command->rocker, &rc);
	if (launch) {
		rc = launch_rocker_freeze(launch, command->freeze, frozen, command);
		rocker_unlock(command->rocker);
	}
	if (!rc)
		return;
	if (command->freeze)
		rocker_release(command->rocker);
	rocker_answer_came(&command->answer, rc, sfs_sentence());
}

int rocker_freeze_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	struct command *command;
	bool freeze;

	if (parse_bool(cmd->text, cmd->len, &freeze) || cmd->len != 1)
		return sfs_fail_at(-EINVAL, cmd->text, cmd->len, "'%.40s' is neither 0 nor 1",
				   cmd->text);
	if (freeze == is_frozen(sfs_priv(dir)))
		return 0;
	command = command_new(dir, cmd);
	if (!command)
		return sfs_fail(-ENOMEM, "out of memory");
	command->freeze = freeze;
	rocker_answer_expect(&command->answer);
	if (freeze)
		rocker_acquire(command->rocker, freeze_now, command);
	else
		freeze_now(command, 0, "");
	return SFS_LATER;
}

/* ---- kill -------------------------------------------------------------------------------------- */

static int send_signal(struct rocker *rocker, const struct sfs_cmd *cmd)
{
	int signal = rocker_signal_number(cmd), rc;

	if (signal < 0)
		return signal;
	if (!rocker_lock_launch(rocker, &rc))
		return rc;
	rc = rocker->link ? rocker_link_signal(rocker->link, signal) : -ESRCH;
	rocker_unlock(rocker);
	if (rc == -ECANCELED)
		return sfs_fail(-ESRCH, "the guard of rocker '%s' has just ended", rocker->name);
	return rc ? sfs_fail(rc, "the guard of rocker '%s' cannot be told", rocker->name) : 0;
}

int rocker_kill_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	struct rocker *rocker = sfs_priv(dir);
	struct command *command;
	struct launch_rocker *launch;
	int rc;

	if (strcmp(cmd->text, "guard"))
		return send_signal(rocker, cmd);
	command = command_new(dir, cmd);
	if (!command)
		return sfs_fail(-ENOMEM, "out of memory");
	launch = rocker_lock_launch(rocker, &rc);
	if (!launch) {
		rocker_answer_put(&command->answer);
		return rc;
	}
	rocker_answer_expect(&command->answer);
	rc = launch_rocker_kill(launch, rocker_answer_came, &command->answer);
	rocker_unlock(rocker);
	if (rc)
		rocker_answer_came(&command->answer, rc, sfs_sentence());
	return SFS_LATER;
}
