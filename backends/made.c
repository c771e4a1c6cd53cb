/* SPDX-License-Identifier: MIT */
/*
 * Objects that users made and gave nothing yet, all of a kind in one file: STATE/kernels/.made, STATE/rockers/.made;
 * and those that have been made by a template, with what that said: STATE/rockers/.texts
 *
 * To make and to remove a file costs more than all the rest of a mkdir and a rmdir: ext4 passes by
 * each inode that was freed in the last seconds before it finds one. Lines have one length and are
 * changed in place, so that a removal needs no room on the disk, and nothing grows. An object with a
 * file of its own is what that says; its line then tells nothing but that there is one to be freed.
 */
#include "made.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE      128 /* bytes; the longest name and the largest numbers need fewer */
#define TAKEN     '+'
#define FREE      '-'
#define FREE_ROOM 64 /* numbers, at first */
#define WHOLE_MAX (LINE + MADE_TEXT_MAX + 1)

_Static_assert(!(WHOLE_MAX & (WHOLE_MAX - 1)), "none is cut by the end of a page");

/* Of a line and its text. */
static size_t size_of(const struct made *made)
{
	return LINE + made->room_bytes;
}

static off_t place_of(const struct made *made, unsigned line)
{
	return (off_t)line * (off_t)size_of(made);
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Under the lock: room to give back each line there is, so that giving back cannot fail. */
static bool make_room(struct made *made)
{
	size_t room = made->nroom ? 2 * made->nroom : FREE_ROOM;
	unsigned *bigger;

	if (made->lines < made->nroom)
		return true;
	bigger = reallocarray(made->free, room, sizeof(*bigger));
	if (!bigger)
		return false;
	made->free = bigger;
	made->nroom = room;
	return true;
}

static int take(struct made *made, unsigned *line_out)
{
	int rc = 0;

	pthread_mutex_lock(&made->lock);
	if (made->nfree)
		*line_out = made->free[--made->nfree];
	else if (make_room(made))
		*line_out = made->lines++;
	else
		rc = -ENOMEM;
	pthread_mutex_unlock(&made->lock);
	return rc;
}

static void give_back(struct made *made, unsigned line)
{
	pthread_mutex_lock(&made->lock);
	made->free[made->nfree++] = line;
	pthread_mutex_unlock(&made->lock);
}

/* Opened each time: what is open for writing keeps a file system from being made read-only. */
static int put(const struct made *made, const char *bytes, size_t size, unsigned line)
{
	int fd =
		openat(made->folder, made->file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n = fd < 0 ? -1 : pwrite(fd, bytes, size, place_of(made, line));
	int rc = n < 0 ? -errno : n < (ssize_t)size ? -ENOSPC : 0;

	if (!rc && sfs_config()->store_durable && (fdatasync(fd) || fsync(made->folder)))
		rc = -errno;
	if (fd >= 0)
		close(fd);
	return rc;
}

static int clear(const struct made *made, unsigned line)
{
	const char free_line = FREE;

	return put(made, &free_line, 1, line);
}

int made_keep(struct made *made, const char *name, const struct sfs_owner *owner,
	      struct made_text text, unsigned *made_out)
{
	char whole[WHOLE_MAX + 1], words[LINE];
	unsigned line = 0;
	int rc = text.size < made->room_bytes || !text.size ? take(made, &line) : -E2BIG;

	if (rc)
		return rc;
	snprintf(words, sizeof(words), "%c %s %u %u %o", TAKEN, name, owner->uid, owner->gid,
		 owner->mode & 07777);
	snprintf(whole, sizeof(whole), "%-*s\n", LINE - 1, words);
	memset(whole + LINE, 0, made->room_bytes);
	if (text.size)
		memcpy(whole + LINE, text.bytes, text.size);
	rc = put(made, whole, size_of(made), line);
	if (!rc) {
		*made_out = line + 1;
		return 0;
	}
	/* Part of it may stand there; where it does not, there is nothing to be cleared. */
	(void)clear(made, line);
	give_back(made, line);
	return rc;
}

void made_drop(struct made *made, const char *name, unsigned *number)
{
	unsigned line = *number - 1;

	if (!*number)
		return;
	*number = 0;
	if (clear(made, line))
		sfs_log(SFS_WARN, "%s/%s is still on disk", made->where, name);
	else
		give_back(made, line);
}

/* ---- reading back ---------------------------------------------------------------------------- */

/* False: it is none of ours. */
static bool parse(const char whole[WHOLE_MAX + 1], char name_out[SFS_NAME_MAX + 1],
		  struct sfs_owner *out)
{
	char name[SFS_NAME_MAX + 1], text[LINE + 1] = "";
	unsigned uid, gid, mode;
	int end = 0;

	_Static_assert(SFS_NAME_MAX == 64, "the width in the format");
	memcpy(text, whole, LINE);
	if (text[LINE - 1] != '\n' ||
	    sscanf(text, "+ %64[A-Za-z0-9._+@-] %u %u %o %n", name, &uid, &gid, &mode, &end) != 4 ||
	    end != LINE || name[0] == '.')
		return false;
	memcpy(name_out, name, sizeof(name));
	*out = (struct sfs_owner){ uid, gid, (mode_t)mode & 07777 };
	return true;
}

static void take_line(struct made *made, unsigned line, char whole[WHOLE_MAX + 1], made_fn *each,
		      struct sfs_obj *parent)
{
	struct made_text text = { whole + LINE, strnlen(whole + LINE, made->room_bytes) };
	char name[SFS_NAME_MAX + 1];
	struct sfs_owner owner;

	if (whole[0] == FREE || !whole[0])
		give_back(made, line); /* zeros: it died before it came to this one */
	else if (!parse(whole, name, &owner))
		sfs_status(made->where, "%s/%s has a line that cannot be read", made->where,
			   made->file);
	else if (!each(parent, name, &owner, text, line + 1) && !clear(made, line))
		give_back(made, line);
}

/* What is cut at its end, as by a full disk, is nobody's and is written over. */
static int read_lines(struct made *made, int fd, made_fn *each, struct sfs_obj *parent)
{
	const size_t size = size_of(made);
	char whole[WHOLE_MAX + 1] = "";
	ssize_t n;

	while ((n = pread(fd, whole, size, place_of(made, made->lines))) == (ssize_t)size) {
		if (!make_room(made))
			return -ENOMEM;
		take_line(made, made->lines++, whole, each, parent);
	}
	return n < 0 ? -errno : 0;
}

int made_load(struct made *made, int folder, struct sfs_obj *parent, made_fn *each)
{
	int fd = openat(folder, made->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int rc = fd < 0 && errno != ENOENT ? -errno : 0;

	made->folder = folder;
	if (fd >= 0) {
		rc = read_lines(made, fd, each, parent);
		close(fd);
	}
	return rc ? sfs_fail(-EIO, "%s/%s cannot be read: %s", made->where, made->file,
			     strerror(-rc))
		  : 0;
}
