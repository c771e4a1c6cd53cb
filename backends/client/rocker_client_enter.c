/* SPDX-License-Identifier: MIT */
/*
 * The caller's part of entering a rocker: opens what leads in, forks the helper, hears what became of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rocker_client.h"

#define ENTER_MS 10000
#define NAME_MS  2000

static ROCKER_ERR open_space(const struct client_rocker *rocker, int i, int *fd_out)
{
	char path[PATH_MAX + 32];
	struct stat own, theirs;
	int fd;

	snprintf(path, sizeof(path), "%s/ns/%s", rocker->path, client_space_names[i]);
	fd = client_open(path, O_RDONLY);
	if (fd < 0)
		return client_fail(ROCKER_ERR_enter_rocker_failed, "%.200s: %s", path, strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/ns/%s", client_space_names[i]);
	/* The kernel refuses to enter the user namespace in which one is already. */
	if (!fstat(fd, &theirs) && !stat(path, &own) && theirs.st_ino == own.st_ino && theirs.st_dev == own.st_dev)
		client_close(&fd);
	*fd_out = fd;
	return ROCKER_ERR_success;
}

static void close_entry(struct client_entry *entry)
{
	for (int i = 0; i < CLIENT_SPACES; i++)
		client_close(&entry->spaces[i]);
	while (entry->ngroups)
		client_close(&entry->groups[--entry->ngroups]);
	client_rules_free(&entry->rules);
}

/* A rocker may be ready a moment before its guard has taken its name. A pidfd, or -errno. */
static int find_guard(const struct client_rocker *rocker)
{
	int64_t deadline = client_now_ms() + NAME_MS;
	int pidfd;

	while ((pidfd = client_pidfd(rocker->guard, rocker->name)) == -ESRCH && !kill(rocker->guard, 0) && client_now_ms() < deadline)
		client_sleep_ms(1);
	return pidfd;
}

/* All by descriptor, and at the end the guard must still be the one whose namespaces and groups these are. */
static ROCKER_ERR open_entry(const struct client_rocker *rocker, struct client_entry *entry)
{
	ROCKER_ERR err = ROCKER_ERR_success;
	int pidfd;

	for (int i = 0; i < CLIENT_SPACES; i++)
		entry->spaces[i] = -1;
	entry->ngroups = 0;
	for (int i = 0; i < CLIENT_SPACES && !err; i++)
		err = open_space(rocker, i, &entry->spaces[i]);
	err = err ?: client_groups(rocker->guard, entry->groups, &entry->ngroups);
	err = err ?: client_rules(rocker, &entry->rules);
	if (!err) {
		pidfd = find_guard(rocker);
		if (pidfd < 0)
			err = client_fail(ROCKER_ERR_enter_rocker_failed, "guard %d named '%s': %s", rocker->guard, rocker->name,
					  strerror(-pidfd));
		else
			client_close(&pidfd);
	}
	return err;
}

/* One report, whole, as a pipe gives small messages. 1; 0: the end, or the deadline. */
static int next_report(int fd, int64_t deadline, struct client_report *out)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left;
	ssize_t len;

	for (;;) {
		left = deadline - client_now_ms();
		if (left <= 0)
			return 0;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		len = read(fd, out, sizeof(*out));
		if (len < 0 && errno == EINTR)
			continue;
		return len == (ssize_t)sizeof(*out);
	}
}

/* Reports of the helper and of the app's process come in any order. */
static ROCKER_ERR hear(int fd, int *pid_out)
{
	int64_t deadline = client_now_ms() + ENTER_MS;
	struct client_report report;
	bool ready = false;
	ROCKER_ERR err = ROCKER_ERR_success;

	*pid_out = 0;
	while ((!ready || !*pid_out) && next_report(fd, deadline, &report)) {
		report.step[sizeof(report.step) - 1] = '\0';
		if (report.stage == CLIENT_ENTER)
			return client_fail(ROCKER_ERR_enter_rocker_failed, "%s cannot be entered: %s", report.step, strerror(report.err));
		if (report.stage == CLIENT_CLONE)
			return client_fail(ROCKER_ERR_app_exec_failed, "the app's process: %s", strerror(report.err));
		if (report.stage == CLIENT_PREPARE)
			err = client_fail(ROCKER_ERR_app_exec_failed, "the app's %s: %s", report.step, strerror(report.err));
		if (report.stage == CLIENT_PID)
			*pid_out = report.pid;
		else
			ready = true;
	}
	/* A helper that was killed in between has not said which process it made: the rocker's end is its end. */
	if ((!ready || !*pid_out) && !err)
		err = client_fail(ROCKER_ERR_app_exec_failed, "the app's process did not get as far as its function");
	return err;
}

/* A caller may wait for all of his children elsewhere: a number that is no child's any more is not touched. */
static bool is_child(pid_t pid)
{
	siginfo_t info;

	return pid > 0 && !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
}

static void wait_for(pid_t pid)
{
	int status;

	while (is_child(pid) && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* The rocker goes before they are waited for: where it is frozen they cannot even die otherwise. */
static void end_both(const struct client_rocker *rocker, pid_t helper, pid_t app)
{
	if (is_child(helper))
		kill(helper, SIGKILL);
	if (is_child(app))
		kill(app, SIGKILL);
	(void)client_rmdir(rocker->path);
}

static pid_t fork_helper(struct client_entry *entry)
{
	pid_t pid;

	/* What handlers of the caller do is not for the helper to do. */
	client_hold_signals(&entry->signals);
	entry->dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
	pid = fork();
	if (!pid)
		client_helper(entry);
	client_let_signals(&entry->signals);
	return pid;
}

ROCKER_ERR client_enter(const struct client_rocker *rocker, struct client_entry *entry, int report, int *pid_out)
{
	ROCKER_ERR err = open_entry(rocker, entry);
	pid_t helper;

	if (err) {
		close_entry(entry);
		return err;
	}
	helper = fork_helper(entry);
	if (helper < 0)
		err = client_fail(ROCKER_ERR_sys, "no helper process: %s", strerror(errno));
	close_entry(entry);
	client_close(&entry->report);
	if (err)
		return err;
	err = hear(report, pid_out);
	if (err)
		end_both(rocker, helper, *pid_out);
	wait_for(helper);
	if (err)
		wait_for(*pid_out);
	return err;
}
