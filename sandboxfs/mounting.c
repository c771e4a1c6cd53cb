/* SPDX-License-Identifier: MIT */
/* The mount: made with the session that daemons serve, and taken away whichever way works. */
#include "mounting.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandboxfs.h"
#include "transport.h"
#include "unmount.h"

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* What was written to a file that stood for standard error comes to the real one. */
static void replay(int fd)
{
	char text[1024];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
		return;
}

/*
 * The helper that unmounts when we die outlives this call and keeps what it was given: were that
 * the caller's pipe, $(sandboxfs ...) would never end.
 */
static int mount_aside(struct fuse_session *session, const char *place)
{
	int aside = memfd_create("mount", MFD_CLOEXEC), err;
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3),
	    old = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	if (aside >= 0) {
		dup2(aside, STDOUT_FILENO);
		dup2(aside, STDERR_FILENO);
	}
	err = transport_mount(session, place);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	if (old >= 0)
		dup2(old, STDERR_FILENO);
	if (aside >= 0)
		replay(aside);
	close_fd(aside);
	close_fd(out);
	close_fd(old);
	return err;
}

int mounting_begin(struct mounting *mounting, const char *options, const char *place)
{
	uint64_t below = mount_id(place);

	mounting->place = place;
	mounting->id = 0;
	mounting->session = transport_new(options);
	if (!mounting->session || mount_aside(mounting->session, place))
		return -EIO;
	mounting->id = mount_id(place);
	if (mounting->id == below)
		mounting->id = 0;
	return 0;
}

bool mounting_in_place(const struct mounting *mounting)
{
	return !mounting->id || mount_id(mounting->place) == mounting->id;
}

bool mounting_lives(const struct mounting *mounting)
{
	return transport_mounted(mounting->session);
}

/*
 * A user's fusermount3 wants an /etc/mtab. Only what was ours a moment ago may be taken away: once
 * somebody has unmounted it there may be another mount at the place.
 */
int mounting_end(const struct mounting *mounting)
{
	const char *place = mounting->place;
	uint64_t ours = mounting->id && transport_mounted(mounting->session) ? mounting->id : 0;

	if (mount_id(place) != ours)
		ours = 0;
	/* While the publishers' copy lives the library would take away whatever is there now. */
	if (mounting_in_place(mounting) || !transport_mounted(mounting->session))
		transport_unmount(mounting->session);
	if (!ours || mount_id(place) != ours || !unmount_place(place))
		return 0;
	sfs_log(SFS_ERROR,
		"the mount at %.200s stays: neither fusermount3 nor umount takes it away", place);
	return -EBUSY;
}

void mounting_free(struct mounting *mounting)
{
	if (mounting->session && !transport_mounted(mounting->session))
		transport_unmount(mounting->session);
	if (mounting->session)
		transport_free(mounting->session);
	mounting->session = NULL;
}
