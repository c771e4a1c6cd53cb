/* SPDX-License-Identifier: MIT */
/* The daemon: plants the backends, serves, drains. */
#include "daemon.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "adopt.h"
#include "config.h"
#include "errors.h"
#include "file.h"
#include "ledger.h"
#include "transport.h"
#include "log.h"
#include "node.h"
#include "notify.h"
#include "publish.h"
#include "req.h"
#include "rows.h"
#include "top.h"

#define SHARES      4 /* at least so many users' open files have descriptors */
#define DRAIN_MS    3000
#define GROUP_BYTES (64 << 10) /* of an entry of the group database, its members among them */

static int privileged_fd = -1;
static const struct daemon_start *started;
static struct fuse_session *served;
static atomic_bool ended;

int sfs_privileged_fd(void)
{
	return privileged_fd;
}

/* ---- planting -------------------------------------------------------------------------------- */

static int find_group(const char *name, gid_t *out)
{
	char buf[GROUP_BYTES], *end;
	struct group group, *found = NULL;
	unsigned long gid = strtoul(name, &end, 10);

	if (name[0] >= '0' && name[0] <= '9' && !*end && gid < UINT32_MAX) {
		*out = (gid_t)gid;
		return 0;
	}
	if (getgrnam_r(name, &group, buf, sizeof(buf), &found) || !found)
		return sfs_fail(-EINVAL, "[users] group: no group '%.40s'", name);
	*out = group.gr_gid;
	return 0;
}

/* Where users make objects is for the members of one group alone, if the configuration names one. */
static int owner_of(const struct sfs_backend *backend, const struct daemon_start *start,
		    struct sfs_owner *out)
{
	const char *group = sfs_config()->users_group;

	*out = (struct sfs_owner){ start->uid, start->gid, backend->mode };
	if (!group[0] || !(backend->mode & S_IWOTH))
		return 0;
	out->mode &= ~(mode_t)S_IRWXO;
	return find_group(group, &out->gid);
}

static int plant(const struct sfs_backend *backend, const struct daemon_start *start)
{
	struct sfs_owner owner;
	struct sfs_obj *dir;
	int err = owner_of(backend, start, &owner);

	err = err
		      ?: sfs_add_dir(node_root(), backend->name, backend->type, NULL, owner.uid,
				     owner.gid, owner.mode);
	if (err)
		return err;
	dir = sfs_find(node_root(), backend->name);
	err = backend->init ? backend->init(dir) : 0;
	sfs_put_obj(dir);
	return err;
}

/* How many began; fewer than there are when one refused. */
static size_t plant_all(const struct daemon_start *start)
{
	size_t i;
	int err;

	for (i = 0; sfs_backends[i]; i++) {
		err = plant(sfs_backends[i], start);
		if (err) {
			sfs_log(SFS_ERROR, "%s: %s", sfs_backends[i]->name, errors_sentence(err));
			break;
		}
	}
	return i;
}

static void stop_all(size_t n)
{
	while (n--)
		if (sfs_backends[n]->stop)
			sfs_backends[n]->stop();
}

/* ---- serving --------------------------------------------------------------------------------- */

static void tell_ready(void)
{
	publish_begin();
	if (!started->foreground) {
		log_to_syslog();
		log_silence();
	}
	if (write(started->ready_fd, "r", 1) < 0)
		sfs_log(SFS_WARN, "nobody hears that the mount is ready");
	close(started->ready_fd);
}

/* Waits for SIGTERM where it may wait, unlike a handler. */
static void *await_end(void *unused)
{
	const struct timespec while_serving = { .tv_sec = 1 };
	sigset_t set;
	int signal;

	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR2);
	while (!atomic_load(&ended)) {
		signal = sigtimedwait(&set, NULL, &while_serving);
		/* The mount has gone: nothing of ours may keep the file system alive. */
		if (signal == SIGUSR2)
			publish_stop();
		if (signal != SIGTERM)
			continue;
		if (!atomic_exchange(&ended, true)) {
			if (!req_drain(DRAIN_MS))
				sfs_log(SFS_WARN, "some work has not ended in %d ms", DRAIN_MS);
			/* While requests are still answered: its own are among them. */
			publish_stop();
			transport_stop(served);
		}
	}
	return NULL;
}

static int serve(const struct daemon_start *start)
{
	pthread_t thread;
	int err;

	served = start->session;
	err = -pthread_create(&thread, NULL, await_end, NULL);
	if (err)
		return err;
	err = transport_serve(start->session, sfs_config()->threads, tell_ready);
	atomic_store(&ended, true);
	pthread_kill(thread, SIGTERM);
	pthread_join(thread, NULL);
	return err;
}

static int run_planted(const struct daemon_start *start)
{
	/* What outlives a daemon is taken over, or ended, by one that serves. */
	int err = transport_begin();
	size_t planted = 0;

	err = err ?: rows_start();
	if (!err) {
		rows_apply(node_root());
		planted = plant_all(start);
		err = sfs_backends[planted] ? -EIO : 0;
	}
	if (!err)
		sfs_event(node_root(), start->uid, "start", "release %s", SANDBOXFS_VERSION);
	err = err ?: notify_start(start->session);
	if (!err)
		adopt_all();
	err = err ?: serve(start);
	if (!err && !req_drain(DRAIN_MS))
		sfs_log(SFS_WARN, "some work has not ended in %d ms", DRAIN_MS);
	publish_stop();
	notify_stop();
	rows_stop();
	file_release_all();
	stop_all(planted);
	return err;
}

/*
 * Each upload that is open is a descriptor of ours: we take all that we may have, and one user gets a part of
 * them only.
 */
static void share_descriptors(void)
{
	struct rlimit files;
	char text[24];

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur / SHARES >= sfs_config()->opens_max)
		return;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)(files.rlim_cur / SHARES));
	if (config_set("limits", "opens_max", text))
		sfs_log(SFS_WARN, "with so few descriptors one user can take all of them");
}

int daemon_run(const struct daemon_start *start)
{
	const struct sfs_dirtype *type = top_type();
	int err = type ? ledger_begin() : -ENOMEM;

	err = err ?: node_start(type);

	if (err)
		return EXIT_FAILURE;
	share_descriptors();
	started = start;
	privileged_fd = start->channel;
	node_root()->node.uid = start->uid;
	node_root()->node.gid = start->gid;
	err = req_start();
	err = err ?: run_planted(start);
	req_stop();
	node_stop();
	errors_stop();
	top_free();
	if (err)
		sfs_log(SFS_ERROR, "the daemon ends: %s", errors_sentence(err));
	if (err == -EOPNOTSUPP)
		return DAEMON_STRANDED;
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
