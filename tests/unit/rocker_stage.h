/* SPDX-License-Identifier: MIT */
/* A rocker whose guard is a test on the other end of a socket: what it is sent, and what it says. */
#ifndef ROCKER_STAGE_H
#define ROCKER_STAGE_H

#include "rocker_fake.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* ---- a rocker and its guard ------------------------------------------------------------------------------ */

struct stage {
	struct rocker *rocker;
	struct sfs_obj *dir;
	int guard; /* its end of the socket */
	int fds[3]; /* of the last order */
	struct guard_order order;
};

static inline void stage_set(struct stage *stage)
{
	int ends[2];
	struct rocker *rocker = calloc(1, sizeof(*rocker));

	fake_time_ms = 60000;
	fake_ready_rc = 0;
	fake_oom_kills = 0;
	fake_kills = false;
	fake_killed = 0;
	fake_config.rocker_jobs_max = 4;
	fake_config.rocker_jobs_kept = 2;
	fake_config.rocker_output_bytes = 65536;
	fake_config.outputs_max_bytes = 1 << 20;
	fake_config.rocker_time_ms = 60000;
	fake_rockers++;
	rocker->refs = 1;
	pthread_mutex_init(&rocker->lock, NULL);
	stage->dir = calloc(1, sizeof(*stage->dir));
	stage->dir->refs = 2;
	stage->dir->priv = rocker;
	rocker->dir = stage->dir;
	rocker->built = (void *)rocker;  /* only handed on */
	rocker->launch = (void *)rocker; /* likewise */
	rocker->jobs = rocker_jobs_new(rocker);
	rocker_jobs_plant(rocker->jobs, stage->dir);
	socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
	stage->rocker = rocker;
	stage->guard = ends[1];
	for (int i = 0; i < 3; i++)
		stage->fds[i] = -1;
	rocker->link = rocker_link_open(rocker, ends[0], 0);
}

static inline void close_fds(struct stage *stage)
{
	for (int i = 0; i < 3; i++) {
		if (stage->fds[i] >= 0)
			close(stage->fds[i]);
		stage->fds[i] = -1;
	}
}

static inline void stage_end(struct stage *stage)
{
	struct rocker *rocker = stage->rocker;
	struct rocker_link *link;
	struct sfs_obj *jobs;

	close_fds(stage);
	pthread_mutex_lock(&rocker->lock);
	link = rocker->link;
	rocker->link = NULL;
	pthread_mutex_unlock(&rocker->lock);
	rocker_link_close(link);
	close(stage->guard);
	rocker_jobs_end(rocker->jobs);
	jobs = sfs_find(stage->dir, "jobs");
	sfs_remove_dir(jobs);
	sfs_put_obj(jobs);
	sfs_put_obj(stage->dir);
	rocker_put(rocker);
}

/* And nothing is left. */
static inline void stage_strike(struct stage *stage)
{
	stage_end(stage);
	for (int i = 0; i < PATIENCE_MS && (fake_rockers || fake_uses); i++)
		usleep(1000);
	CHECK_INT(fake_rockers, 0);
	CHECK_INT(fake_uses, 0);
}

/* The next order, with its descriptors; false: none came. */
static inline bool take_order(struct stage *stage)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(stage->fds))];
	} room;
	struct iovec iov = { &stage->order, sizeof(stage->order) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof(room) };
	struct pollfd in = { .fd = stage->guard, .events = POLLIN };
	ssize_t got = poll(&in, 1, PATIENCE_MS) == 1 ? recvmsg(stage->guard, &message, 0) : 0;

	if (got <= 0)
		return false;
	CHECK_INT(got, guard_order_size(&stage->order));
	if (stage->order.type != GUARD_START)
		return true;
	close_fds(stage);
	if (!CMSG_FIRSTHDR(&message) || CMSG_FIRSTHDR(&message)->cmsg_len != CMSG_LEN(sizeof(stage->fds))) {
		CHECK(!"three descriptors come along");
		return false;
	}
	memcpy(stage->fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(stage->fds));
	return true;
}

static inline bool reply_bytes(struct stage *stage, const void *data, size_t size, const int *fds, unsigned nfds)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} room = { .bytes = { 0 } };
	struct iovec iov = { (void *)data, size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		message.msg_control = &room;
		message.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		room.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(nfds * sizeof(int)),
					      .cmsg_level = SOL_SOCKET,
					      .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&room.head), fds, nfds * sizeof(int));
	}
	return sendmsg(stage->guard, &message, MSG_NOSIGNAL) == (ssize_t)size;
}

static inline bool reply_with(struct stage *stage, const struct guard_reply *reply, int fd)
{
	return reply_bytes(stage, reply, sizeof(*reply), &fd, fd >= 0);
}

static inline bool reply(struct stage *stage, const struct guard_reply *reply)
{
	return reply_with(stage, reply, -1);
}

static inline void say_ready(struct stage *stage)
{
	reply(stage, &(struct guard_reply){ .type = GUARD_READY });
}

static inline void say_started(struct stage *stage)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	reply_with(stage, &(struct guard_reply){ .type = GUARD_STARTED, .job = stage->order.job, .pid = 2 }, fd);
	close(fd);
}

static inline void say_exited(struct stage *stage, uint32_t job, int code, int status)
{
	reply(stage, &(struct guard_reply){ .type = GUARD_EXITED,
					    .job = job,
					    .code = code,
					    .status = status,
					    .user_ns = 1000,
					    .system_ns = 2000,
					    .max_rss_bytes = 4096 });
}

static inline struct sfs_req *command_by(struct stage *stage, const char *line, bool starts, uid_t uid)
{
	struct sfs_cmd cmd = { .text = line, .len = strlen(line), .who = { .uid = uid }, .req = req_make() };
	int rc = (starts ? rocker_start_store : rocker_run_store)(stage->dir, &cmd);

	if (rc != SFS_LATER) {
		cmd.req->rc = rc;
		cmd.req->done = true;
	}
	return cmd.req;
}

static inline struct sfs_req *run(struct stage *stage, const char *line)
{
	return command_by(stage, line, false, 7);
}

static inline struct sfs_req *start(struct stage *stage, const char *line)
{
	return command_by(stage, line, true, 7);
}

static inline const char *shown(struct sfs_blob *blob)
{
	static char text[4096];

	snprintf(text, sizeof(text), "%s", blob ? (const char *)sfs_blob_data(blob) : "(none)");
	sfs_blob_put(blob);
	return text;
}

static inline const char *result(struct stage *stage, uid_t uid)
{
	struct sfs_buf *buf = sfs_buf_new();
	struct sfs_cred who = { .uid = uid };

	rocker_result_show(stage->dir, &who, buf);
	return shown(sfs_buf_finish(buf));
}

static inline const struct sfs_attr *row_of(const char *name)
{
	const struct sfs_attr *row = rocker_job_rows;

	while (strcmp(row->name, name))
		row++;
	return row;
}

/* jobs/N, counted; NULL: it is not there. */
static inline struct sfs_obj *job_dir(struct stage *stage, const char *number)
{
	struct sfs_obj *jobs = sfs_find(stage->dir, "jobs"), *dir;
	char name[32];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(number, "\n"), number);
	dir = sfs_find(jobs, name);
	sfs_put_obj(jobs);
	return dir;
}

static inline const char *file_of(struct sfs_obj *dir, const char *name)
{
	const struct sfs_attr *row = row_of(name);
	const struct sfs_cred who = { .uid = 7 };
	struct sfs_buf *buf;

	if (row->blob)
		return shown(row->blob(dir, &who));
	buf = sfs_buf_new();
	row->show(dir, &who, buf);
	return shown(sfs_buf_finish(buf));
}

static inline bool comes_to(struct sfs_obj *dir, const char *name, const char *part)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
		if (strstr(file_of(dir, name), part))
			return true;
		usleep(1000);
	}
	return false;
}

/* ---- the program --------------------------------------------------------------------------------------------- */

static char stage_folder[] = "/tmp/rocker_stage.XXXXXX";

static inline bool stage_begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(stage_folder))
		return false;
	snprintf(fake_config.state_dir, sizeof(fake_config.state_dir), "%s", stage_folder);
	return !rocker_links_start();
}

static inline int stage_done(void)
{
	char path[64];

	rocker_links_stop();
	snprintf(path, sizeof(path), "%s/job_number", stage_folder);
	unlink(path);
	rmdir(stage_folder);
	return check_done();
}

#endif
