/* SPDX-License-Identifier: MIT */
/* FUSE: the session, its mount, and the threads that serve it. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "transport.h"
#include "fuse_ops.h"
#include "fuse_resent.h"
#include "gate.h"
#include "ledger.h"

#define WAKE_NS 10000000

/* The versions of the protocol, 7.N, from which on the kernel has something; see linux/fuse.h. */
#define MINOR_PARALLEL_WRITES 38
#define MINOR_RESEND          40

static void (*call_ready)(void);
static pthread_t serving_thread;
static atomic_bool serving;

static void op_init(void *unused, struct fuse_conn_info *conn)
{
	(void)unused;
	conn->want |= conn->capable & (FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_READDIRPLUS |
				       FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_PARALLEL_DIROPS);
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE | FUSE_CAP_WRITEBACK_CACHE);
	/*
	 * With it the kernel sends what io_uring(7) and io_submit(2) ask as requests that it never
	 * interrupts, and waits for them in a way that not even kill -9 ends: a run would hold its
	 * writer, and the mount, until its deadline.
	 */
	conn->want &= ~(unsigned)FUSE_CAP_ASYNC_DIO;
	if (conn->proto_minor >= MINOR_PARALLEL_WRITES)
		sfs_feature("parallel_writes");
	if (conn->proto_minor >= MINOR_RESEND)
		sfs_feature("fuse_resend");
	if (call_ready)
		call_ready();
}

struct fuse_session *transport_new(const char *options)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_lowlevel_ops ops = { .init = op_init };
	struct fuse_session *session = NULL;

	fuse_name_ops(&ops);
	fuse_file_ops(&ops);
	if (!fuse_opt_add_arg(&args, "sandboxfs") &&
	    (!options || (!fuse_opt_add_arg(&args, "-o") && !fuse_opt_add_arg(&args, options))))
		session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	fuse_opt_free_args(&args);
	return session;
}

int transport_mount(struct fuse_session *session, const char *mountpoint)
{
	return fuse_session_mount(session, mountpoint) ? -EIO : 0;
}

bool transport_mounted(struct fuse_session *session)
{
	struct pollfd device = { .fd = fuse_session_fd(session) };

	return device.fd >= 0 && poll(&device, 1, 0) >= 0 && !(device.revents & POLLERR);
}

void transport_unmount(struct fuse_session *session)
{
	fuse_session_unmount(session);
}

void transport_free(struct fuse_session *session)
{
	fuse_session_destroy(session);
}

/*
 * The library hides the number of a request; its bytes pass here on the way in, on the thread that
 * works on it.
 */
static ssize_t receive(int fd, void *buf, size_t size, void *unused)
{
	ssize_t n = read(fd, buf, size);

	(void)unused;
	if (n > 0)
		resent_look(buf, (size_t)n);
	return n;
}

static ssize_t reply(int fd, struct iovec *iov, int count, void *unused)
{
	ssize_t all = 0;
	int i;

	(void)unused;
	if (!resent_swallows())
		return writev(fd, iov, count);
	for (i = 0; i < count; i++)
		all += (ssize_t)iov[i].iov_len;
	return all;
}

static void wake(int signal)
{
	(void)signal; /* it ends the wait of the serving thread: that is all */
}

int transport_begin(void)
{
	size_t size;
	const void *init = ledger_init(&size);

	return !init || resent_known(init, size) ? 0 : -EOPNOTSUPP;
}

/* The kernel's INIT is to come, or came to a daemon before this one. */
static int take_over(struct fuse_session *session, void (*ready)(void))
{
	bool begun = resent_begun();
	int err;

	call_ready = begun ? NULL : ready;
	err = begun ? resent_take_over(session) : 0;
	if (begun && !err && ready)
		ready();
	return err;
}

int transport_serve(struct fuse_session *session, unsigned threads, void (*ready)(void))
{
	static const struct fuse_custom_io io = { .read = receive, .writev = reply };
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	struct sigaction action = { .sa_handler = wake };
	int err;

	if (!config)
		return -ENOMEM;
	sigaction(SIGUSR1, &action, NULL);
	serving_thread = pthread_self();
	atomic_store(&serving, true);
	/*
	 * As many idle ones as there can be: else the library ends and makes a thread for each
	 * request.
	 */
	fuse_loop_cfg_set_max_threads(config, threads);
	fuse_loop_cfg_set_idle_threads(config, threads);
	fuse_loop_cfg_set_clone_fd(config, 0);
	err = fuse_session_custom_io(session, &io, fuse_session_fd(session));
	err = err ?: gate_start();
	err = err ?: take_over(session, ready);
	if (!err)
		err = fuse_session_loop_mt(session, config);
	gate_stop();
	atomic_store(&serving, false);
	fuse_loop_cfg_destroy(config);
	return err > 0 ? 0 : err;
}

void transport_stop(struct fuse_session *session)
{
	const struct timespec pause = { .tv_nsec = WAKE_NS };

	fuse_session_exit(session);
	/* More than once: the first may come just before the wait begins. */
	while (atomic_load(&serving)) {
		pthread_kill(serving_thread, SIGUSR1);
		nanosleep(&pause, NULL);
	}
}

const char *transport_version(void)
{
	return fuse_pkgversion();
}
