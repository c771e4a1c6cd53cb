/* SPDX-License-Identifier: MIT */
/* Inspections of uploads, in jails made by the launcher. */
#include "store_inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "launch.h"
#include "sha256.h"

#define SLOTS       4
#define WALL_MS_MAX 2000
#define PIDS        8
#define MEMORY_BASE (192ull << 20) /* the helper, its table, libelf */

enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_IDLE, SLOT_BUSY };

static struct slot {
	enum slot_state state;
	struct launch_zygote *zygote; /* owned */
	struct inspection *current;   /* borrowed from its caller until done */
	uint64_t round;               /* counts inspections */
} slots[SLOTS];                       /* lock */
static struct turns queue;            /* lock */
static bool stopped = true;           /* lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void pump(void);

/* Embedded by embed.S; absent where only the store is linked. */
extern const unsigned char jailed_inspector[] __attribute__((weak));
extern const size_t jailed_inspector_size __attribute__((weak));

const unsigned char *inspect_program(void)
{
	static unsigned char hash[SHA256_BYTES];
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	static bool known;

	pthread_mutex_lock(&once);
	if (!known && &jailed_inspector_size)
		sha256_of(jailed_inspector, jailed_inspector_size, hash);
	known = true;
	pthread_mutex_unlock(&once);
	return hash;
}

/* An upload has to be answered before its request's deadline, which would say less. */
static uint32_t wall_ms(void)
{
	uint32_t request_ms = sfs_config()->request_ms, wall = request_ms - request_ms / 4;

	return wall && wall < WALL_MS_MAX ? wall : WALL_MS_MAX;
}

static uint64_t memory_bytes(void)
{
	return MEMORY_BASE + 3 * sfs_config()->store_max_bytes;
}

static void finish(struct inspection *i, int rc, const char *sentence)
{
	snprintf(i->sentence, sizeof(i->sentence), "%s", sentence);
	i->done(i, launch_answer(rc));
}

static struct inspection *take(struct turns *from, bool (*may)(uid_t uid))
{
	struct turn *turn = turns_take(from, may);

	return turn ? (struct inspection *)((char *)turn - offsetof(struct inspection, turn))
		    : NULL;
}

static void finish_all(struct turns *list, int rc, const char *sentence)
{
	struct inspection *i;

	while ((i = take(list, NULL)))
		finish(i, rc, sentence);
}

/* The queue has an end for itself: nothing could serve it. */
static void fail_all(int rc, const char *sentence)
{
	struct turns all;

	pthread_mutex_lock(&lock);
	all = queue;
	queue.first = NULL;
	pthread_mutex_unlock(&lock);
	finish_all(&all, rc, sentence);
}

/* Those for whom an inspector died before; the others wait for one more. */
static void fail_retried(int rc, const char *sentence)
{
	struct turns all, failed = { NULL };
	struct inspection *i;

	pthread_mutex_lock(&lock);
	all = queue;
	queue.first = NULL;
	while ((i = take(&all, NULL))) {
		turns_add(i->retried ? &failed : &queue, &i->turn, i->uid);
		i->retried = true;
	}
	pthread_mutex_unlock(&lock);
	finish_all(&failed, rc, sentence);
}

/* ---- inspectors ------------------------------------------------------------------------------ */

/* Empties a slot and drops what was in it. */
static void discard(struct slot *slot)
{
	struct launch_zygote *zygote;

	pthread_mutex_lock(&lock);
	zygote = slot->zygote;
	slot->zygote = NULL;
	slot->state = SLOT_EMPTY;
	pthread_mutex_unlock(&lock);
	if (zygote)
		launch_zygote_drop(zygote);
}

static bool any_left(void)
{
	bool left = false;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < SLOTS; i++)
		left |= slots[i].state != SLOT_EMPTY;
	pthread_mutex_unlock(&lock);
	return left;
}

static void ready(void *arg, struct launch_zygote *zygote, int rc, const char *sentence)
{
	struct slot *slot = arg;
	char text[SFS_SENTENCE_MAX];
	bool unwanted;

	pthread_mutex_lock(&lock);
	slot->zygote = zygote;
	unwanted = stopped;
	if (!rc && !unwanted)
		slot->state = SLOT_IDLE;
	pthread_mutex_unlock(&lock);
	if (unwanted) {
		discard(slot);
		return;
	}
	if (!rc) {
		sfs_status("inspector", NULL);
		pump();
		return;
	}
	snprintf(text, sizeof(text), "the inspector cannot start: %.400s",
		 sentence ?: strerror(-rc));
	sfs_status("inspector", "%s", text);
	discard(slot);
	if (!any_left())
		fail_retried(-EIO, text);
	pump();
}

/* slot is STARTING already. */
static void start(struct slot *slot)
{
	struct launch_limits limits = { .memory_bytes = memory_bytes(), .pids = PIDS };
	char text[SFS_SENTENCE_MAX];

	/* ready() may come before this returns, and the slot be another's by then. */
	if (launch_zygote_new(LAUNCH_INSPECTOR, geteuid(), &limits, NULL, NULL, 0, ready, slot))
		return;
	snprintf(text, sizeof(text), "no inspector: %.400s", sfs_sentence());
	discard(slot);
	if (!any_left())
		fail_all(-EIO, text);
}

/* ---- the queue ------------------------------------------------------------------------------- */

/* Not while another inspection of this user goes on. */
static bool may(uid_t uid)
{
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].state == SLOT_BUSY && slots[i].current->uid == uid)
			return false;
	return true;
}

static struct slot *slot_in(enum slot_state state)
{
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].state == state)
			return &slots[i];
	return NULL;
}

static const char *describe(const struct launch_exit *how, char *out, size_t size)
{
	char name[64];

	switch (how->cause) {
	case LAUNCH_SIGNALED:
		snprintf(out, size,
			 "the inspector was ended by signal %d (%s) while it read this file",
			 how->status, strsignal(how->status));
		break;
	case LAUNCH_SYSCALL:
		snprintf(out, size, "this file made the inspector attempt the system call %s",
			 launch_syscall_name(how->syscall_arch, how->syscall_nr, name,
					     sizeof(name)));
		break;
	case LAUNCH_TIMEOUT:
		snprintf(out, size, "the inspector did not end within %u ms", wall_ms());
		break;
	case LAUNCH_OOM:
		snprintf(out, size,
			 "the inspector needed more than %llu bytes of memory for this file",
			 (unsigned long long)memory_bytes());
		break;
	case LAUNCH_EXITED:
		snprintf(out, size, "the inspector ended with status %d while it read this file",
			 how->status);
		break;
	case LAUNCH_KILLED:
		snprintf(out, size, "the inspection was ended");
		break;
	default:
		snprintf(out, size, "the inspector did not begin: %.*s",
			 (int)strnlen(how->sentence, sizeof(how->sentence)), how->sentence);
	}
	return out;
}

static int verdict(const struct launch_exit *how)
{
	if (how->cause == LAUNCH_EXITED && how->status == 0)
		return 0;
	if (how->cause == LAUNCH_KILLED)
		return -EINTR;
	return how->cause == LAUNCH_FAILED ? -EIO : -ENOEXEC;
}

/* An inspector that had died meanwhile says nothing about the file: once more with another. */
static bool retry(struct inspection *i, int rc)
{
	bool again;

	pthread_mutex_lock(&lock);
	again = rc == -ESRCH && !i->retried && !i->cancelled && !stopped;
	if (again) {
		i->retried = true;
		i->run = 0;
		turns_again(&queue, &i->turn);
	}
	pthread_mutex_unlock(&lock);
	return again;
}

static struct inspection *release(struct slot *slot, bool clean)
{
	struct inspection *i;

	pthread_mutex_lock(&lock);
	i = slot->current;
	slot->current = NULL;
	slot->state = SLOT_IDLE;
	if (clean && !stopped)
		slot = NULL;
	pthread_mutex_unlock(&lock);
	if (slot)
		discard(slot);
	return i;
}

static void ended(void *arg, const struct launch_exit *how)
{
	int rc = verdict(how);
	struct inspection *i = release(arg, rc == 0);
	char text[SFS_SENTENCE_MAX] = "";

	if (rc)
		describe(how, text, sizeof(text));
	if (!(how->cause == LAUNCH_FAILED && retry(i, how->rc)))
		finish(i, rc, text);
	pump();
}

/* slot is BUSY with its inspection. */
static void fork_one(struct slot *slot)
{
	struct inspection *i = slot->current;
	struct launch_order order = { .wall_ms = wall_ms(),
				      .nfds = 2,
				      .fds = { i->elf_fd, i->table_fd } };
	uint64_t round = slot->round;
	int64_t run = launch_run(slot->zygote, &order, ended, slot);
	char text[SFS_SENTENCE_MAX];
	bool current, cancelled;

	if (run < 0) {
		snprintf(text, sizeof(text), "no inspection: %.400s", sfs_sentence());
		i = release(slot, false);
		if (!retry(i, (int)run))
			finish(i, -EIO, text);
		return;
	}
	/* It may have ended already, and i be gone. */
	pthread_mutex_lock(&lock);
	current = slot->current && slot->round == round;
	cancelled = current && i->cancelled;
	if (current)
		i->run = run;
	pthread_mutex_unlock(&lock);
	if (cancelled)
		launch_kill(run);
}

/*
 * Under lock: an inspector that is not the first one and has nothing to do, out of its slot. Not
 * where others still wait: it may be theirs next.
 */
static struct launch_zygote *take_spare(void)
{
	struct launch_zygote *zygote;

	for (struct slot *slot = slots + 1; !queue.first && slot < slots + SLOTS; slot++) {
		if (slot->state != SLOT_IDLE)
			continue;
		zygote = slot->zygote;
		slot->zygote = NULL;
		slot->state = SLOT_EMPTY;
		return zygote;
	}
	return NULL;
}

/* Begins whatever can begin, and ends what is left over. */
static void pump(void)
{
	for (;;) {
		struct launch_zygote *spare;
		struct slot *slot, *fresh = NULL;
		bool next;

		pthread_mutex_lock(&lock);
		next = !stopped && turns_any(&queue, may);
		slot = next ? slot_in(SLOT_IDLE) : NULL;
		if (slot) {
			slot->current = take(&queue, may);
			slot->state = SLOT_BUSY;
			slot->round++;
		} else if (next && !slot_in(SLOT_STARTING)) {
			fresh = slot_in(SLOT_EMPTY);
			if (fresh)
				fresh->state = SLOT_STARTING;
		}
		spare = stopped ? NULL : take_spare();
		pthread_mutex_unlock(&lock);
		if (fresh)
			start(fresh);
		if (spare)
			launch_zygote_drop(spare);
		if (slot)
			fork_one(slot);
		if (!slot && !spare)
			return;
	}
}

/* ---- from outside ---------------------------------------------------------------------------- */

void inspect_start(void)
{
	bool fresh;

	pthread_mutex_lock(&lock);
	stopped = false;
	fresh = slots[0].state == SLOT_EMPTY;
	if (fresh)
		slots[0].state = SLOT_STARTING;
	pthread_mutex_unlock(&lock);
	if (fresh)
		start(&slots[0]);
}

/* A fresh one for each: wiping a used one costs as much, and no earlier inspector can hold it. */
static int new_table(void)
{
	int fd = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING), err;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, WIRE_TABLE_BYTES) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

void inspect_add(struct inspection *i)
{
	char text[128];
	bool cancelled, refused;

	/* The rest is zeros since birth: inspect_cancel() may have looked at it already. */
	i->table_fd = new_table();
	if (i->table_fd < 0) {
		snprintf(text, sizeof(text), "no page for the inspector: %s",
			 strerror(-i->table_fd));
		i->table_fd = -1;
		finish(i, -EIO, text);
		return;
	}
	pthread_mutex_lock(&lock);
	cancelled = i->cancelled;
	refused = stopped || cancelled;
	if (!refused)
		turns_add(&queue, &i->turn, i->uid);
	pthread_mutex_unlock(&lock);
	if (refused)
		finish(i, cancelled ? -EINTR : -EAGAIN, "the inspection was ended");
	else
		pump();
}

void inspect_cancel(struct inspection *i)
{
	bool waited;
	int64_t run;

	pthread_mutex_lock(&lock);
	i->cancelled = true;
	run = i->run;
	waited = turns_remove(&queue, &i->turn);
	pthread_mutex_unlock(&lock);
	if (waited)
		finish(i, -EINTR, "the inspection was ended");
	else if (run > 0)
		launch_kill(run);
}

void inspect_stop(void)
{
	pthread_mutex_lock(&lock);
	stopped = true;
	pthread_mutex_unlock(&lock);
	fail_all(-EAGAIN, "the daemon ends");
	for (int i = 0; i < SLOTS; i++) {
		bool drop;

		/*
		 * One that is busy or starting gets its callback first, which finds that all is
		 * stopped.
		 */
		pthread_mutex_lock(&lock);
		drop = slots[i].state == SLOT_IDLE;
		pthread_mutex_unlock(&lock);
		if (drop)
			discard(&slots[i]);
	}
}
