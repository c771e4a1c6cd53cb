/* SPDX-License-Identifier: MIT */
/* The ledger: slots of open files in memory that outlives a daemon. */
#include "ledger.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS  65536u /* open files of everybody together */
#define STAGED 1024u  /* names that are remembered: of more, the last ones are not */
#define BURIED 4096u  /* removed directories that the kernel has not forgotten; likewise */
#define PROBES 16u

struct slot {
	atomic_uint used; /* 1: all below is valid */
	uint32_t generation;
	atomic_uint written, saved;
	atomic_uint_fast64_t polled; /* by this number the kernel knows who waits in poll(2) */
	int refused;                 /* by the daemon that serves now */
	struct ledger_open open;
};

enum { NOTHING, STAGED_NOW, STAGED_ONCE }; /* by the daemon that serves now, by one that died */

struct staged {
	atomic_uint state; /* unless it is NOTHING all below is valid */
	uid_t uid;
	pid_t told; /* that it is lost; 0: nobody */
	uint64_t dir;
	char name[LEDGER_NAME_MAX + 1];
};

struct ledger {
	atomic_uint_fast64_t replacements, rotation;
	atomic_uint init_size; /* 0: no INIT yet */
	unsigned char init[LEDGER_INIT_MAX];
	atomic_uint top; /* no slot from here on has been used */
	struct staged staged[STAGED];
	atomic_uint_fast64_t buried[BURIED]; /* ids; 0: none */
	struct slot slots[SLOTS];
};

static struct ledger *ledger; /* shared with all daemons that come */

/* The daemon's own. */
static _Atomic(struct file *) files[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t next_free[SLOTS], first_free; /* one more than the slot; 0: none; lock */

/* ---- the supervisor's part ------------------------------------------------------------------- */

int ledger_start(void)
{
	void *memory = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	ledger = memory;
	return 0;
}

void ledger_clear(void)
{
	uint32_t i, top = atomic_load(&ledger->top);

	for (i = 0; i < top && i < SLOTS; i++)
		atomic_store(&ledger->slots[i].used, 0);
	for (i = 0; i < STAGED; i++)
		atomic_store(&ledger->staged[i].state, NOTHING);
	for (i = 0; i < BURIED; i++)
		atomic_store(&ledger->buried[i], 0);
	atomic_store(&ledger->init_size, 0);
}

void ledger_count_replacement(void)
{
	atomic_fetch_add(&ledger->replacements, 1);
}

uint64_t ledger_replacements(void)
{
	return ledger ? atomic_load(&ledger->replacements) : 0;
}

/* ---- removed directories ---------------------------------------------------------------------- */

static atomic_uint_fast64_t *place_of(uint64_t id, uint64_t wanted)
{
	unsigned i;

	for (i = 0; ledger && i < PROBES; i++) {
		atomic_uint_fast64_t *place = &ledger->buried[((id ^ id >> 32) + i) % BURIED];

		if (atomic_load(place) == wanted)
			return place;
	}
	return NULL;
}

void ledger_bury(uint64_t id)
{
	atomic_uint_fast64_t *place = place_of(id, id) ?: place_of(id, 0);

	if (!place && ledger)
		place = &ledger->buried[(id ^ id >> 32) % BURIED];
	if (place)
		atomic_store(place, id);
}

void ledger_unbury(uint64_t id)
{
	atomic_uint_fast64_t *place = place_of(id, id);

	if (place)
		atomic_store(place, 0);
}

bool ledger_buried(uint64_t id)
{
	return place_of(id, id);
}

/* ---- a daemon begins -------------------------------------------------------------------------- */

/* Under the lock. */
static void free_slot(uint32_t i)
{
	next_free[i] = first_free;
	first_free = i + 1;
}

int ledger_begin(void)
{
	int err = ledger ? 0 : ledger_start();
	uint32_t i;

	if (err)
		return err;
	pthread_mutex_lock(&lock);
	first_free = 0;
	for (i = atomic_load(&ledger->top); i-- > 0;)
		if (!atomic_load(&ledger->slots[i].used))
			free_slot(i);
	for (i = 0; i < STAGED; i++)
		if (atomic_load(&ledger->staged[i].state))
			atomic_store(&ledger->staged[i].state, STAGED_ONCE);
	pthread_mutex_unlock(&lock);
	return 0;
}

void ledger_keep_init(const void *bytes, size_t size)
{
	if (size > sizeof(ledger->init))
		return;
	memcpy(ledger->init, bytes, size);
	atomic_store(&ledger->init_size, (unsigned)size);
}

const void *ledger_init(size_t *size)
{
	*size = atomic_load(&ledger->init_size);
	return *size ? ledger->init : NULL;
}

uint64_t ledger_rotation(void)
{
	static atomic_uint_fast64_t own; /* of tests that have no daemon */

	return atomic_fetch_add(ledger ? &ledger->rotation : &own, 1) + 1;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static uint64_t fh_of(uint32_t i)
{
	return (uint64_t)ledger->slots[i].generation << 32 | (i + 1);
}

/* NULL: none of that generation is in use. */
static struct slot *slot_of(uint64_t fh)
{
	uint32_t i = (uint32_t)fh - 1;
	struct slot *slot = i < SLOTS ? &ledger->slots[i] : NULL;

	return slot && atomic_load(&slot->used) && slot->generation == fh >> 32 ? slot : NULL;
}

/* Under the lock: one more than the slot, 0: there is none. */
static uint32_t find_free(void)
{
	uint32_t found = first_free;

	if (found) {
		first_free = next_free[found - 1];
	} else if (atomic_load(&ledger->top) < SLOTS) {
		found = atomic_fetch_add(&ledger->top, 1) + 1;
	}
	return found;
}

int ledger_take(const struct ledger_open *open, struct file *file, uint64_t *fh_out)
{
	struct slot *slot;
	uint32_t found;

	pthread_mutex_lock(&lock);
	found = find_free();
	pthread_mutex_unlock(&lock);
	if (!found)
		return sfs_fail(-EMFILE, "more than %u files are open here", SLOTS);
	slot = &ledger->slots[found - 1];
	slot->generation++;
	slot->open = *open;
	slot->refused = 0;
	atomic_store(&slot->written, 0);
	atomic_store(&slot->saved, 0);
	atomic_store(&files[found - 1], file);
	*fh_out = fh_of(found - 1);
	atomic_store(&slot->used, 1);
	return 0;
}

struct file *ledger_file(uint64_t fh)
{
	return slot_of(fh) ? atomic_load(&files[(uint32_t)fh - 1]) : NULL;
}

struct file *ledger_put(uint64_t fh)
{
	struct slot *slot = slot_of(fh);
	struct file *file;

	if (!slot)
		return NULL;
	file = atomic_exchange(&files[(uint32_t)fh - 1], NULL);
	atomic_store(&slot->used, 0);
	pthread_mutex_lock(&lock);
	free_slot((uint32_t)fh - 1);
	pthread_mutex_unlock(&lock);
	return file;
}

struct file *ledger_put_any(void)
{
	uint32_t i, top = atomic_load(&ledger->top);

	for (i = 0; i < top; i++)
		if (atomic_load(&files[i]))
			return ledger_put(fh_of(i));
	return NULL;
}

uint64_t ledger_asked_by(uint64_t number)
{
	uint32_t i, top = atomic_load(&ledger->top);

	for (i = 0; i < top; i++)
		if (atomic_load(&ledger->slots[i].used) && ledger->slots[i].open.asked_by == number)
			return fh_of(i);
	return 0;
}

/* ---- what was written ------------------------------------------------------------------------ */

void ledger_wrote(uint64_t fh)
{
	struct slot *slot = slot_of(fh);

	if (slot)
		atomic_fetch_add(&slot->written, 1);
}

uint32_t ledger_written(uint64_t fh)
{
	struct slot *slot = slot_of(fh);

	return slot ? atomic_load(&slot->written) : 0;
}

void ledger_saved(uint64_t fh, uint32_t written)
{
	struct slot *slot = slot_of(fh);

	if (slot)
		atomic_store(&slot->saved, written);
}

bool ledger_unsaved(uint64_t fh)
{
	struct slot *slot = slot_of(fh);

	return slot && atomic_load(&slot->written) != atomic_load(&slot->saved);
}

/* ---- a successor ----------------------------------------------------------------------------- */

void ledger_each(void (*each)(uint64_t fh, const struct ledger_open *open))
{
	uint32_t i, top = atomic_load(&ledger->top);

	for (i = 0; i < top; i++)
		if (atomic_load(&ledger->slots[i].used))
			each(fh_of(i), &ledger->slots[i].open);
}

void ledger_poll(uint64_t fh, uint64_t number)
{
	struct slot *slot = slot_of(fh);

	if (slot)
		atomic_store(&slot->polled, number);
}

void ledger_each_polled(void (*each)(uint64_t number, void *arg), void *arg)
{
	unsigned i, top = atomic_load(&ledger->top);
	uint64_t number;

	for (i = 0; i < top && i < SLOTS; i++) {
		number = atomic_exchange(&ledger->slots[i].polled, 0);
		if (number && atomic_load(&ledger->slots[i].used))
			each(number, arg);
	}
}

void ledger_reopened(uint64_t fh, struct file *file)
{
	struct slot *slot = slot_of(fh);

	slot->refused = 0;
	atomic_store(&files[(uint32_t)fh - 1], file);
}

void ledger_refused(uint64_t fh, int err)
{
	slot_of(fh)->refused = err;
}

const struct ledger_open *ledger_opened(uint64_t fh, int *refused)
{
	struct slot *slot = slot_of(fh);

	if (slot)
		*refused = slot->refused;
	return slot ? &slot->open : NULL;
}

/* ---- names that are staged ------------------------------------------------------------------- */

/* Under the lock: the first in that state, or NULL. */
static struct staged *staged_in(unsigned state)
{
	struct staged *end = ledger->staged + STAGED, *staged = ledger->staged;

	while (staged < end && atomic_load(&staged->state) != state)
		staged++;
	return staged < end ? staged : NULL;
}

uint32_t ledger_stage(uint64_t dir, const char *name, uid_t uid)
{
	struct staged *staged;

	if (!ledger) /* in tests that have no daemon */
		return 0;
	pthread_mutex_lock(&lock);
	staged = staged_in(NOTHING) ?: staged_in(STAGED_ONCE);
	if (staged) {
		atomic_store(&staged->state, NOTHING);
		staged->dir = dir;
		staged->uid = uid;
		staged->told = 0;
		snprintf(staged->name, sizeof(staged->name), "%s", name);
		atomic_store(&staged->state, STAGED_NOW);
	}
	pthread_mutex_unlock(&lock);
	return staged ? (uint32_t)(staged - ledger->staged) + 1 : 0;
}

void ledger_restage(uint32_t place, const char *name)
{
	struct staged *staged;

	if (!place)
		return;
	staged = &ledger->staged[place - 1];
	pthread_mutex_lock(&lock);
	atomic_store(&staged->state, NOTHING);
	snprintf(staged->name, sizeof(staged->name), "%s", name);
	atomic_store(&staged->state, STAGED_NOW);
	pthread_mutex_unlock(&lock);
}

void ledger_unstage(uint32_t place)
{
	if (place)
		atomic_store(&ledger->staged[place - 1].state, NOTHING);
}

/* Under the lock: what a daemon that died had staged for uid under that name, or NULL. */
static struct staged *staged_once(uint64_t dir, const char *name, uid_t uid)
{
	struct staged *staged = ledger->staged;
	uint32_t i;

	for (i = 0; i < STAGED; i++, staged++)
		if (atomic_load(&staged->state) == STAGED_ONCE && staged->dir == dir &&
		    staged->uid == uid && !strcmp(staged->name, name))
			return staged;
	return NULL;
}

bool ledger_lost(uint64_t dir, const char *name, const struct sfs_cred *who)
{
	pid_t asks = who->pid ?: -1;
	struct staged *staged;
	bool lost = false;

	if (!ledger || name[0] != '.')
		return false;
	pthread_mutex_lock(&lock);
	staged = staged_once(dir, name, who->uid);
	if (staged) {
		lost = !staged->told || staged->told == asks;
		if (staged->told)
			atomic_store(&staged->state, NOTHING);
		staged->told = asks;
	}
	pthread_mutex_unlock(&lock);
	return lost;
}

void ledger_lost_is_told(uint64_t dir, const char *name, const struct sfs_cred *who)
{
	struct staged *staged;

	if (name[0] != '.')
		return;
	pthread_mutex_lock(&lock);
	staged = staged_once(dir, name, who->uid);
	if (staged)
		atomic_store(&staged->state, NOTHING);
	pthread_mutex_unlock(&lock);
}
