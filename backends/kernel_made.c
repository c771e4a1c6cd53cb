/* SPDX-License-Identifier: MIT */
/*
 * Kernels that users made and gave nothing yet, all in one file: STATE/kernels/.made.
 *
 * To make and to remove a file costs more than all the rest of a mkdir and a rmdir: ext4 passes by
 * each inode that was freed in the last seconds before it finds one. Lines have one length and are
 * changed in place, so that a removal needs no room on the disk, and nothing grows. A kernel with a
 * file of its own is what that says; its line then tells nothing but that there is one to be freed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels.h"

#define FILE_NAME ".made" /* with a dot: no kernel has such a name */
#define LINE      128     /* bytes; the longest name and the largest numbers need fewer */
#define TAKEN     '+'
#define FREE      '-'
#define FREE_ROOM 64 /* numbers, at first */

static struct {
	pthread_mutex_t lock;
	int folder; /* borrowed; set before there are threads */
	/* All below under lock. */
	unsigned *free; /* owned: numbers of free lines */
	size_t nfree, room;
	unsigned lines; /* in the file */
} made = { .lock = PTHREAD_MUTEX_INITIALIZER, .folder = -1 };

static off_t place_of(unsigned line)
{
	return (off_t)line * LINE;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Under the lock: room to give back each line there is, so that giving back cannot fail. */
static bool make_room(void)
{
	size_t room = made.room ? 2 * made.room : FREE_ROOM;
	unsigned *bigger;

	if (made.lines < made.room)
		return true;
	bigger = reallocarray(made.free, room, sizeof(*bigger));
	if (!bigger)
		return false;
	made.free = bigger;
	made.room = room;
	return true;
}

static int take(unsigned *line_out)
{
	int rc = 0;

	pthread_mutex_lock(&made.lock);
	if (made.nfree)
		*line_out = made.free[--made.nfree];
	else if (make_room())
		*line_out = made.lines++;
	else
		rc = -ENOMEM;
	pthread_mutex_unlock(&made.lock);
	return rc;
}

static void give_back(unsigned line)
{
	pthread_mutex_lock(&made.lock);
	made.free[made.nfree++] = line;
	pthread_mutex_unlock(&made.lock);
}

/* Opened each time: what is open for writing keeps a file system from being made read-only. */
static int put(const char *bytes, size_t size, unsigned line)
{
	int fd = openat(made.folder, FILE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n = fd < 0 ? -1 : pwrite(fd, bytes, size, place_of(line));
	int rc = n < 0 ? -errno : n < (ssize_t)size ? -ENOSPC : 0;

	if (!rc && sfs_config()->store_durable && (fdatasync(fd) || fsync(made.folder)))
		rc = -errno;
	if (fd >= 0)
		close(fd);
	return rc;
}

static int clear(unsigned line)
{
	const char free_line = FREE;

	return put(&free_line, 1, line);
}

int kernel_made_keep(struct kernel *kernel, const struct sfs_owner *owner)
{
	char text[LINE + 1], words[LINE];
	unsigned line = 0;
	int rc = take(&line);

	if (rc)
		return rc;
	snprintf(words, sizeof(words), "%c %s %u %u %o", TAKEN, kernel->name, owner->uid,
		 owner->gid, owner->mode & 07777);
	snprintf(text, sizeof(text), "%-*s\n", LINE - 1, words);
	rc = put(text, LINE, line);
	if (!rc) {
		kernel->made = line + 1;
		return 0;
	}
	/* Part of it may stand there; where it does not, there is nothing to be cleared. */
	(void)clear(line);
	give_back(line);
	return rc;
}

void kernel_made_drop(struct kernel *kernel)
{
	unsigned line = kernel->made - 1;

	if (!kernel->made)
		return;
	kernel->made = 0;
	if (clear(line))
		sfs_log(SFS_WARN, "kernel %s is still on disk", kernel->name);
	else
		give_back(line);
}

/* ---- reading back ---------------------------------------------------------------------------- */

/* False: it is none of ours. */
static bool parse(const char text[LINE + 1], char name_out[SFS_NAME_MAX + 1], struct sfs_owner *out)
{
	char name[SFS_NAME_MAX + 1];
	unsigned uid, gid, mode;
	int end = 0;

	_Static_assert(SFS_NAME_MAX == 64, "the width in the format");
	if (text[LINE - 1] != '\n' ||
	    sscanf(text, "+ %64[A-Za-z0-9._+-] %u %u %o %n", name, &uid, &gid, &mode, &end) != 4 ||
	    end != LINE || name[0] == '.')
		return false;
	memcpy(name_out, name, sizeof(name));
	*out = (struct sfs_owner){ uid, gid, (mode_t)mode & 07777 };
	return true;
}

static void take_line(unsigned line, char text[LINE + 1], kernel_made_fn *each,
		      struct sfs_obj *parent)
{
	char name[SFS_NAME_MAX + 1];
	struct sfs_owner owner;

	if (text[0] == FREE || !text[0])
		give_back(line); /* zeros: it died before it came to this one */
	else if (!parse(text, name, &owner))
		sfs_status(FILE_NAME, "kernels/" FILE_NAME " has a line that cannot be read");
	else if (!each(parent, name, &owner, line + 1) && !clear(line))
		give_back(line);
}

/* What is cut at its end, as by a full disk, is nobody's and is written over. */
static int read_lines(int fd, kernel_made_fn *each, struct sfs_obj *parent)
{
	char text[LINE + 1] = "";
	ssize_t n;

	while ((n = pread(fd, text, LINE, place_of(made.lines))) == LINE) {
		if (!make_room())
			return -ENOMEM;
		take_line(made.lines++, text, each, parent);
	}
	return n < 0 ? -errno : 0;
}

int kernel_made_load(int folder, struct sfs_obj *parent, kernel_made_fn *each)
{
	int fd = openat(folder, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int rc = fd < 0 && errno != ENOENT ? -errno : 0;

	made.folder = folder;
	if (fd >= 0) {
		rc = read_lines(fd, each, parent);
		close(fd);
	}
	return rc ? sfs_fail(-EIO, "kernels/" FILE_NAME " cannot be read: %s", strerror(-rc)) : 0;
}
