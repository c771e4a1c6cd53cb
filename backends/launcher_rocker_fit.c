/* SPDX-License-Identifier: MIT */
/*
 * Fitters at rest, each for one rocker at a time.
 *
 * There is one more than are at work, and none before the first guard was made ahead. One whose rocker ends while it
 * works there is killed, since mounts for that rocker may still be on their way to it.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "launcher_rocker.h"

#define FITTERS_MAX 8
#define FAILED_MAX  8

static struct fitter {
	pid_t pid; /* 0: none, or reaped */
	int socket;
	bool works, ends;
} fitters[FITTERS_MAX];

static bool stopped;
static unsigned failed; /* in a row: who cannot live is not made for ever */

int fitter_take(void)
{
	for (int i = 0; i < FITTERS_MAX; i++)
		if (fitters[i].pid && !fitters[i].works && !fitters[i].ends) {
			fitters[i].works = true;
			return i;
		}
	return -1;
}

int fitter_socket(int fitter)
{
	return fitters[fitter].socket;
}

void fitter_rest(int fitter)
{
	fitters[fitter].works = false;
}

void fitter_end(int fitter)
{
	struct fitter *f = &fitters[fitter];

	if (f->ends)
		return;
	f->ends = true;
	launcher_unwatch(&f->socket);
	if (f->pid) /* not reaped, so the number is still its own */
		(void)kill(f->pid, SIGKILL);
	else
		f->works = false;
}

static bool is_free(const struct fitter *f)
{
	return !f->pid && !f->works;
}

void fitters_trust(void)
{
	failed = 0;
}

bool fitters_lack(void)
{
	bool any_free = false;

	if (stopped || failed > FAILED_MAX || !made_left())
		return false;
	for (int i = 0; i < FITTERS_MAX; i++) {
		if (fitters[i].pid && !fitters[i].works && !fitters[i].ends)
			return false;
		any_free = any_free || is_free(&fitters[i]);
	}
	return any_free;
}

void fitters_fill(void)
{
	int pair[2], pidfd = -1, place = 0;

	while (place < FITTERS_MAX - 1 && !is_free(&fitters[place]))
		place++;
	if (!is_free(&fitters[place]) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		failed++;
		return;
	}
	pid_t pid = fitter_spawn(&launcher.rockers, pair[1], &pidfd);
	(void)close(pair[1]);
	launcher_close(&pidfd); /* it is ours to reap, so its number stays its own */
	if (pid < 0) {
		failed++;
		(void)close(pair[0]);
		return;
	}
	fitters[place] = (struct fitter){ .pid = pid, .socket = pair[0] };
	kin_add(pid, KIN_FITTER, (uint32_t)place);
}

/* Whoever waits for it learns that from the end of its socket. */
void fitter_reaped(uint32_t number)
{
	struct fitter *f = &fitters[number];

	failed += !f->ends;
	f->pid = 0;
	f->works = f->works && !f->ends;
	if (!f->ends && !f->works)
		launcher_unwatch(&f->socket);
}

void fitters_stop(void)
{
	stopped = true;
	for (int i = 0; i < FITTERS_MAX; i++)
		if (fitters[i].pid)
			fitter_end(i);
}

bool fitters_left(void)
{
	for (int i = 0; i < FITTERS_MAX; i++)
		if (fitters[i].pid)
			return true;
	return false;
}
