/* SPDX-License-Identifier: MIT */
/* A launcher for tests of the store: inspections run on a thread of this process, honestly or in one of the bad ways. */
#ifndef STORE_FAKE_LAUNCH_H
#define STORE_FAKE_LAUNCH_H

/* ---- launcher -------------------------------------------------------------------------------------------- */

enum fake_inspector { FAKE_HONEST, FAKE_CRASH, FAKE_SPIN, FAKE_SLOW, FAKE_SILENT, FAKE_LIE, FAKE_DEAD, FAKE_NEVER_STARTS };

static _Atomic enum fake_inspector fake_inspector;
static atomic_bool fake_go;   /* what the slow ones wait for */
static atomic_int fake_slow; /* how many do */
static void (*fake_lie)(struct wire_table *table);
static atomic_int fake_zygotes, fake_inspections, fake_pending;
static atomic_int_least64_t fake_killed;

struct launch_zygote {
	bool dead;
};

struct fake_event {
	void (*ready)(void *arg, struct launch_zygote *zygote, int rc, const char *sentence);
	void (*done)(void *arg, const struct launch_exit *how);
	void *arg;
	struct launch_zygote *zygote;
	struct launch_order order;
	int64_t id;
	pthread_t thread;
	struct fake_event *next; /* in fake_ended */
};

static _Atomic(struct fake_event *) fake_ended; /* owned: threads that have nothing left to do but end */

static void fake_inspect(struct fake_event *event)
{
	struct wire_table *table =
		mmap(NULL, WIRE_TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, event->order.fds[1], 0);
	off_t size = lseek(event->order.fds[0], 0, SEEK_END);
	char *file = malloc((size_t)size + 1);

	if (fake_inspector == FAKE_LIE) {
		fake_lie(table);
	} else if (pread(event->order.fds[0], file, (size_t)size, 0) == size) {
		elf_inspect(file, (size_t)size, table);
		table->done = 1;
	}
	free(file);
	munmap(table, WIRE_TABLE_BYTES);
}

static void fake_run(struct fake_event *event)
{
	struct launch_exit how = { .cause = LAUNCH_EXITED };

	fake_inspections++;
	switch (fake_inspector) {
	case FAKE_CRASH:
		how.cause = LAUNCH_SIGNALED;
		how.status = SIGSEGV;
		break;
	case FAKE_SPIN:
		how.cause = LAUNCH_TIMEOUT;
		for (uint32_t ms = 0; ms < event->order.wall_ms && how.cause == LAUNCH_TIMEOUT; ms++) {
			usleep(1000);
			if (fake_killed == event->id)
				how.cause = LAUNCH_KILLED;
		}
		break;
	case FAKE_SLOW:
		fake_slow++;
		while (!fake_go)
			usleep(1000);
		fake_slow--;
		fake_inspect(event);
		break;
	case FAKE_SILENT:
		break;
	default:
		fake_inspect(event);
	}
	close(event->order.fds[0]);
	close(event->order.fds[1]);
	event->done(event->arg, &how);
}

static void *fake_thread(void *arg)
{
	struct fake_event *event = arg;

	if (event->ready)
		event->ready(event->arg, event->zygote, fake_inspector == FAKE_NEVER_STARTS ? -EPERM : 0, "no jail");
	else
		fake_run(event);
	event->thread = pthread_self();
	event->next = fake_ended;
	while (!atomic_compare_exchange_weak(&fake_ended, &event->next, event))
		;
	fake_pending--;
	return NULL;
}

/* A detached thread may hold locks of the allocator while it ends: a child that is forked at that moment has them for ever. */
static void fake_join(void)
{
	struct fake_event *event = atomic_exchange(&fake_ended, NULL), *next;

	for (; event; event = next) {
		next = event->next;
		pthread_join(event->thread, NULL);
		free(event);
	}
}

static void fake_start(struct fake_event event)
{
	struct fake_event *copy = malloc(sizeof(event));
	pthread_t thread;

	fake_join();
	*copy = event;
	fake_pending++;
	pthread_create(&thread, NULL, fake_thread, copy);
}

struct launch_zygote *launch_zygote_new(enum launch_kind kind, uid_t owner, const struct launch_limits *limits,
					const struct wire_order *setup, const int *fds, unsigned nfds,
					void (*ready)(void *arg, struct launch_zygote *zygote, int rc,
						      const char *sentence),
					void *arg)
{
	struct launch_zygote *zygote = calloc(1, sizeof(*zygote));

	(void)kind, (void)owner, (void)limits, (void)setup, (void)fds, (void)nfds;
	fake_zygotes++;
	fake_start((struct fake_event){ .ready = ready, .arg = arg, .zygote = zygote });
	return zygote;
}

void launch_zygote_drop(struct launch_zygote *zygote)
{
	fake_zygotes--;
	free(zygote);
}

int64_t launch_run(struct launch_zygote *zygote, const struct launch_order *order,
		   void (*done)(void *arg, const struct launch_exit *how), void *arg)
{
	static atomic_int_least64_t ids;
	struct fake_event event = { .done = done, .arg = arg, .zygote = zygote, .order = *order, .id = ++ids };

	if (fake_inspector == FAKE_DEAD) {
		fake_inspector = FAKE_HONEST;
		return sfs_fail(-ESRCH, "it died");
	}
	for (int i = 0; i < 2; i++)
		event.order.fds[i] = fcntl(order->fds[i], F_DUPFD_CLOEXEC, 3);
	fake_start(event);
	return event.id;
}

int launch_answer(int rc)
{
	return rc;
}

void launch_kill(int64_t run)
{
	fake_killed = run;
}

const char *launch_syscall_name(uint32_t arch, int64_t nr, char *buf, size_t size)
{
	(void)arch;
	snprintf(buf, size, "syscall_%lld", (long long)nr);
	return buf;
}

#endif
