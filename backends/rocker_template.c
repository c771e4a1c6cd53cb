/* SPDX-License-Identifier: MIT */
/*
 * Templates: mkdir rockers/web@a makes what web.ini of the configuration's directory says, with the rights of that
 * file's owner.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rocker_life.h"

static int read_all(int fd, char text[SFS_COMMAND_MAX + 1], size_t *size_out)
{
	size_t size = 0;
	ssize_t n;

	while ((n = read(fd, text + size, SFS_COMMAND_MAX + 1 - size)) > 0)
		size += (size_t)n;
	*size_out = size;
	if (n < 0)
		return sfs_fail(-EIO, "it cannot be read: %s", strerror(errno));
	return size <= SFS_COMMAND_MAX
		       ? 0
		       : sfs_fail(-E2BIG, "it has more than %d bytes", SFS_COMMAND_MAX);
}

/* What anybody else can write would be opened with rights that are not his. */
static int check_file(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return sfs_fail(-EACCES, "it is no file");
	if (st->st_mode & 022)
		return sfs_fail(-EACCES, "it can be written by others than its owner");
	return 0;
}

static struct rocker_spec *parse(const char *name, const struct sfs_cred *who, int fd, int *rc_out)
{
	struct plan_opener by;
	const struct rocker_judge judge = { .whose = { name, who->uid, who->gid }, .by = &by };
	char *text = malloc(SFS_COMMAND_MAX + 1);
	struct rocker_spec *spec = NULL;
	struct stat st;
	size_t size = 0;

	*rc_out = !text || fstat(fd, &st) ? sfs_fail(-ENOMEM, "out of memory") : check_file(&st);
	if (!*rc_out)
		*rc_out = read_all(fd, text, &size);
	if (!*rc_out && memchr(text, '\0', size))
		*rc_out = sfs_fail(-EINVAL, "a NUL byte is not text");
	if (!*rc_out) {
		rocker_cred_of(st.st_uid, &by);
		spec = rocker_spec_parse(&judge, text, size, rc_out);
	}
	free(text);
	return spec;
}

struct rocker_spec *rocker_template(const char *name, const struct sfs_cred *who, int *rc_out)
{
	const char *at = strchr(name, '@');
	char path[sizeof(((struct sfs_config *)0)->rocker_templates) + SFS_NAME_MAX + 8];
	char sentence[SFS_SENTENCE_MAX];
	struct rocker_spec *spec;
	int fd;

	*rc_out = 0;
	if (!at)
		return rocker_spec_new();
	if (at == name || !at[1]) {
		*rc_out = sfs_fail(-EINVAL, "'%.64s' is not TEMPLATE@INSTANCE", name);
		return NULL;
	}
	snprintf(path, sizeof(path), "%s/%.*s.ini", sfs_config()->rocker_templates,
		 (int)(at - name), name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		*rc_out = errno == ENOENT ? -ENOENT : -EACCES;
		*rc_out = sfs_fail(*rc_out, "template %.300s: %s", path, strerror(errno));
		return NULL;
	}
	spec = parse(name, who, fd, rc_out);
	close(fd);
	if (*rc_out) {
		snprintf(sentence, sizeof(sentence), "%.250s", sfs_sentence());
		*rc_out = sfs_fail(*rc_out, "template %.200s: %s", path, sentence);
	}
	return spec;
}
