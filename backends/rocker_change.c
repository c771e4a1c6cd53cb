/* SPDX-License-Identifier: MIT */
/*
 * A change of a specification, or of one value of it: judged, tried where the launcher has to be asked, then kept.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rocker_life.h"

struct change {
	struct rocker_answer answer; /* first */
	struct rocker *rocker;       /* counted */
	struct rocker_spec *spec;    /* counted; NULL: one value */
	enum rocker_key key;         /* ROCKER_KEYS: all */
	char *text;                  /* owned; NULL: the default */
	struct plan_opener by;
	pid_t pid; /* of the writer */
};

static void change_free(struct rocker_answer *answer)
{
	struct change *change = (struct change *)answer;

	rocker_spec_put(change->spec);
	rocker_put(change->rocker);
	free(change->text);
	free(change);
}

static int keep(struct rocker_answer *answer)
{
	const struct change *change = (const struct change *)answer;
	const struct rocker_choice choice = { change->spec, change->key, change->text,
					      &change->by };
	int rc = rocker_keep(change->rocker, &choice);

	if (!rc && change->spec)
		rocker_build(change->rocker);
	return rc;
}

/* ---- tried ------------------------------------------------------------------------------------- */

/*
 * Who lives in a root directory of his own (a chroot, a container) would name with a path what he cannot see. An
 * ordinary user's daemon sees that itself, which his launcher in its user namespace cannot; root's launcher does.
 */
static int judge_root(pid_t pid, int32_t *asker_out)
{
	char path[48];
	struct stat his, ours;

	*asker_out = pid;
	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	if (stat(path, &his) || stat("/", &ours))
		return 0;
	if (his.st_dev != ours.st_dev || his.st_ino != ours.st_ino)
		return sfs_fail(-EPERM, "a path of the host was named from another root directory");
	*asker_out = -1;
	return 0;
}

/* Of what it would be: does it fit, and what is to be opened? 0, SFS_LATER: asked; -errno. */
static int try_paths(struct change *change, const struct rocker_spec *spec)
{
	struct rocker_whose whose = rocker_whose(change->rocker);
	struct rocker_plan *plan = malloc(sizeof(*plan));
	int rc = plan ? rocker_spec_plan(spec, &whose, plan) : sfs_fail(-ENOMEM, "out of memory");
	bool is_host = change->spec || (rocker_key_flags(change->key) & KEY_HOST && change->text);

	if (!rc && is_host && rocker_spec_check_plan(spec, change->key, plan)) {
		rc = judge_root(change->pid, &plan->asker);
		if (rc) {
			free(plan);
			return rc;
		}
		rocker_answer_expect(&change->answer);
		rc = launch_rocker_check(plan, rocker_answer_came, &change->answer);
		if (rc)
			rocker_answer_came(&change->answer, rc, sfs_sentence());
		rc = SFS_LATER;
	}
	free(plan);
	return rc;
}

/* One that has just ended gets them when it is built again. */
static void limited(void *arg, int rc, const char *sentence)
{
	rocker_answer_came(arg, rc == -ESRCH || rc == -ENODEV ? 0 : rc, sentence);
}

/* Of one that is built, limits hold at once. */
static int try_limits(struct change *change, const struct rocker_spec *spec)
{
	struct rocker *rocker =
		change->rocker; /* change may be answered, and gone, before this is */
	struct plan_limits limits;
	struct launch_rocker *launch;
	int rc;

	rocker_spec_limits(spec, &limits);
	launch = rocker_lock_launch(rocker, &rc);
	if (!launch)
		return 0;
	rocker_answer_expect(&change->answer);
	rc = launch_rocker_limit(launch, &limits, limited, &change->answer);
	rocker_unlock(rocker);
	if (rc)
		limited(&change->answer, rc, sfs_sentence());
	return SFS_LATER;
}

/* What rocker->spec is with the change. NULL: out of memory. */
static struct rocker_spec *changed_spec(const struct change *change)
{
	struct rocker_spec *now, *then;

	if (change->spec)
		return rocker_spec_get(change->spec);
	now = rocker_get_spec(change->rocker);
	then = rocker_spec_with(now, change->key, change->text, &change->by);
	rocker_spec_put(now);
	return then;
}

/* Takes change over. */
static int begin(struct change *change)
{
	struct rocker_spec *spec = changed_spec(change);
	int rc = spec ? 0 : sfs_fail(-ENOMEM, "out of memory");

	if (!rc && change->answer.req && !change->spec && rocker_key_flags(change->key) & KEY_LIMIT)
		rc = try_limits(change, spec);
	else if (!rc)
		rc = try_paths(change, spec);
	rocker_spec_put(spec);
	if (rc == SFS_LATER)
		return rc;
	rc = rc ?: keep(&change->answer);
	rocker_answer_put(&change->answer);
	return rc;
}

static struct change *change_new(struct rocker *rocker, const struct sfs_cmd *cmd)
{
	struct change *change = calloc(1, sizeof(*change));

	if (!change)
		return NULL;
	atomic_init(&change->answer.refs, 1);
	change->answer.req = cmd->req;
	change->answer.written = cmd->text;
	change->answer.written_len = cmd->len;
	change->answer.keep = keep;
	change->answer.release = change_free;
	change->rocker = rocker_get(rocker);
	change->pid = cmd->who.pid;
	rocker_cred(&cmd->who, &change->by);
	return change;
}

/* ---- the rows ----------------------------------------------------------------------------------- */

static int judge_value(struct rocker *rocker, const struct sfs_cmd *cmd,
		       const struct plan_opener *by, enum rocker_key key, char **out)
{
	const struct rocker_judge judge = { .whose = rocker_whose(rocker), .by = by };
	struct rocker_spec *spec = rocker_get_spec(rocker);
	int rc = rocker_judge_value(&judge, key, cmd, spec->values[key], out);

	rocker_spec_put(spec);
	return rc;
}

int rocker_value_store(struct sfs_obj *dir, struct sfs_cmd *cmd, enum rocker_key key)
{
	struct change *change = change_new(sfs_priv(dir), cmd);
	int rc = 0;

	if (!change)
		return sfs_fail(-ENOMEM, "out of memory");
	change->key = key;
	rc = judge_value(change->rocker, cmd, &change->by, key, &change->text);
	if (!rc && !(rocker_key_flags(key) & (KEY_LIMIT | KEY_JOBS)))
		rc = rocker_check_idle(change->rocker, rocker_key_name(key));
	if (!rc)
		return begin(change);
	rocker_answer_put(&change->answer);
	return rc;
}

int rocker_value_check(struct sfs_obj *dir, const struct sfs_cmd *cmd, enum rocker_key key)
{
	struct plan_opener by;
	char *text = NULL;
	int rc;

	rocker_cred(&cmd->who, &by);
	rc = judge_value(sfs_priv(dir), cmd, &by, key, &text);
	free(text);
	return rc;
}

static struct rocker_spec *parse(struct rocker *rocker, const struct sfs_cmd *cmd,
				 const struct plan_opener *by, int *rc_out)
{
	const struct rocker_judge judge = { .whose = rocker_whose(rocker), .by = by };

	return rocker_spec_parse(&judge, cmd->text, cmd->len, rc_out);
}

int rocker_spec_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	struct change *change = change_new(sfs_priv(dir), cmd);
	int rc;

	if (!change)
		return sfs_fail(-ENOMEM, "out of memory");
	change->key = ROCKER_KEYS;
	change->answer.written_len = 0; /* which word it is about, nobody says */
	change->spec = parse(change->rocker, cmd, &change->by, &rc);
	if (!rc)
		rc = rocker_check_idle(change->rocker, "spec");
	if (!rc)
		return begin(change);
	rocker_answer_put(&change->answer);
	return rc;
}

int rocker_spec_check(struct sfs_obj *dir, const struct sfs_cmd *cmd)
{
	struct plan_opener by;
	int rc;

	rocker_cred(&cmd->who, &by);
	rocker_spec_put(parse(sfs_priv(dir), cmd, &by, &rc));
	return rc;
}
