/* SPDX-License-Identifier: MIT */
/* A gate before the names whose every lookup is an inode of its own. */
#include "gate.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "sandboxfs.h"

#define GATES       256 /* users and directories that share one wait a little longer */
#define INSIDE      4   /* threads in the race at once */
#define PATIENCE_NS 5000000
#define TICK_NS     2000000
#define BURST_MAX   1024

static struct gate {
	struct {
		pid_t pid; /* 0: free */
		uint64_t since_ns;
	} inside[INSIDE];
	struct gate_guest *first, *last; /* who waits */
	unsigned burst;                  /* how many were let through since somebody opened */
	bool open;                       /* the kernel itself lets one in after the other */
} gates[GATES];                          /* lock */
static unsigned waiting;                 /* lock */
static bool running;                     /* lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wanted; /* waiting or running has changed */
static pthread_t thread;

static struct gate *gate_of(uint64_t dir, uid_t uid)
{
	uint64_t mixed = (dir ^ (uint64_t)uid << 32) * 0x9e3779b97f4a7c15;

	return &gates[mixed >> 32 & (GATES - 1)];
}

/* Lets this thread in, or lets it stay. */
static bool let_in(struct gate *gate, pid_t pid, uint64_t now)
{
	int place = -1;

	for (int i = 0; i < INSIDE && (place < 0 || gate->inside[place].pid != pid); i++)
		if (!gate->inside[i].pid || gate->inside[i].pid == pid)
			place = i;
	if (place < 0)
		return false;
	gate->inside[place].pid = pid;
	gate->inside[place].since_ns = now;
	return true;
}

static struct gate_guest *take(struct gate *gate, struct gate_guest *guest)
{
	*(guest->before ? &guest->before->next : &gate->first) = guest->next;
	*(guest->next ? &guest->next->before : &gate->last) = guest->before;
	guest->next = NULL;
	waiting--;
	return guest;
}

/* Those who may go now, for go_all(); the end of the list comes back. */
static struct gate_guest **let_in_next(struct gate *gate, struct gate_guest **out)
{
	while (gate->first && (gate->open || let_in(gate, gate->first->pid, sfs_now_ns()))) {
		*out = take(gate, gate->first);
		out = &(*out)->next;
	}
	return out;
}

static void go_all(struct gate_guest *list)
{
	while (list) {
		struct gate_guest *next = list->next;

		list->go(list);
		list = next;
	}
}

/* Those inside have not opened anything for a while: they make room. */
static bool make_room(struct gate *gate, uint64_t now)
{
	bool made = false;

	for (int i = 0; i < INSIDE; i++) {
		if (!gate->inside[i].pid || now - gate->inside[i].since_ns < PATIENCE_NS)
			continue;
		gate->inside[i].pid = 0;
		made = true;
	}
	return made;
}

/* Of each gate where nobody got anywhere, the last ones to come, and some of the first. */
static struct gate_guest *let_through(uint64_t now)
{
	struct gate_guest *list = NULL, **out = &list;

	for (struct gate *gate = gates; gate < gates + GATES; gate++) {
		if (!gate->first || !make_room(gate, now))
			continue;
		gate->burst = gate->burst < BURST_MAX ? 2 * gate->burst + 1 : BURST_MAX;
		for (unsigned i = 0; i < gate->burst && gate->last; i++) {
			(void)let_in(gate, gate->last->pid, now);
			*out = take(gate, gate->last);
			out = &(*out)->next;
		}
		out = let_in_next(gate, out);
	}
	return list;
}

static void *keep(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	while (running) {
		struct gate_guest *list;
		struct timespec until;

		if (!waiting) {
			pthread_cond_wait(&wanted, &lock);
			continue;
		}
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		(void)pthread_cond_timedwait(&wanted, &lock, &until);
		list = let_through(sfs_now_ns());
		pthread_mutex_unlock(&lock);
		go_all(list);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

int gate_start(void)
{
	pthread_condattr_t monotonic;
	int err;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&wanted, &monotonic);
	pthread_condattr_destroy(&monotonic);
	memset(gates, 0, sizeof(gates));
	running = true;
	err = pthread_create(&thread, NULL, keep, NULL);
	if (err)
		running = false;
	else
		(void)pthread_setname_np(thread, "gate");
	return -err;
}

void gate_stop(void)
{
	struct gate_guest *list = NULL, **out = &list;
	bool was_running;

	pthread_mutex_lock(&lock);
	was_running = running;
	running = false;
	for (struct gate *gate = gates; gate < gates + GATES; gate++)
		while (gate->first) {
			*out = take(gate, gate->first);
			out = &(*out)->next;
		}
	if (was_running)
		pthread_cond_signal(&wanted);
	pthread_mutex_unlock(&lock);
	go_all(list);
	if (was_running)
		pthread_join(thread, NULL);
}

bool gate_pass(const struct gate_guest *guest)
{
	struct gate *gate = gate_of(guest->dir, guest->uid);
	bool in;

	pthread_mutex_lock(&lock);
	in = !running || !guest->pid || gate->open || let_in(gate, guest->pid, sfs_now_ns());
	pthread_mutex_unlock(&lock);
	return in;
}

void gate_wait(struct gate_guest *guest)
{
	struct gate *gate = gate_of(guest->dir, guest->uid);
	struct gate_guest *list = NULL;

	guest->next = NULL;
	pthread_mutex_lock(&lock);
	if (running) {
		guest->before = gate->last;
		*(gate->last ? &gate->last->next : &gate->first) = guest;
		gate->last = guest;
		if (!waiting++)
			pthread_cond_signal(&wanted);
		/* Somebody may have left since gate_pass(). */
		(void)let_in_next(gate, &list);
	} else {
		list = guest;
	}
	pthread_mutex_unlock(&lock);
	go_all(list);
}

void gate_leave(uint64_t dir, uid_t uid, pid_t pid, bool truncates)
{
	struct gate *gate = gate_of(dir, uid);
	struct gate_guest *list = NULL;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < INSIDE; i++)
		if (gate->inside[i].pid == pid)
			gate->inside[i].pid = 0;
	gate->burst = 0;
	gate->open = truncates;
	(void)let_in_next(gate, &list);
	pthread_mutex_unlock(&lock);
	go_all(list);
}
