/* SPDX-License-Identifier: MIT */
/*
 * Templates: mkdir rockers/web@a makes what web.ini of the configuration's directory says, with the rights of that
 * file's owner. What one said is remembered for a moment: to look for its owner's groups costs more than all else
 * that a mkdir does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rocker_life.h"

#define KEPT     16
#define KEPT_NS  UINT64_C(1000000000) /* groups may come from elsewhere than from files */
#define YOUNG_NS UINT64_C(100000000)  /* what was changed just now may change again unnoticed */

/* By which a file is known to be the one it was; all zero: it was not there. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	uint64_t mtime_ns, ctime_ns;
};

/* What a template depends on: itself, its owner's groups, and for whom it is. */
struct origin {
	char name[SFS_NAME_MAX + 1]; /* without the '@' */
	uid_t uid;
	gid_t gid;
	struct stamp file, users, groups;
};

static struct kept {
	struct origin origin;
	struct rocker_spec *spec; /* counted; NULL: empty */
	uint64_t since_ns;
} kept[KEPT]; /* kept_lock */
static unsigned next_kept;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- what is remembered ------------------------------------------------------------------------ */

static uint64_t time_ns(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

static void put_stamp(const char *path, struct stamp *out)
{
	struct stat st;

	if (!stat(path, &st))
		*out = (struct stamp){ st.st_dev, st.st_ino, st.st_size, time_ns(&st.st_mtim),
				       time_ns(&st.st_ctim) };
}

/* Before any of it is read: what changes meanwhile is another one then. */
static void look(const char *path, const char *name, const struct sfs_cred *who, struct origin *out)
{
	memset(out, 0, sizeof(*out)); /* also between its fields: it is compared as bytes */
	memcpy(out->name, name, strcspn(name, "@"));
	out->uid = who->uid;
	out->gid = who->gid;
	put_stamp(path, &out->file);
	put_stamp("/etc/passwd", &out->users);
	put_stamp("/etc/group", &out->groups);
}

static bool is_young(const struct stamp *stamp)
{
	const uint64_t now_ns = sfs_wall_ns();

	return now_ns < stamp->ctime_ns + YOUNG_NS || now_ns < stamp->mtime_ns + YOUNG_NS;
}

static struct rocker_spec *recall(const struct origin *origin)
{
	const uint64_t now_ns = sfs_now_ns();
	struct rocker_spec *spec = NULL;

	pthread_mutex_lock(&kept_lock);
	for (unsigned i = 0; i < KEPT && !spec; i++)
		if (kept[i].spec && now_ns - kept[i].since_ns < KEPT_NS &&
		    !memcmp(&kept[i].origin, origin, sizeof(*origin)))
			spec = rocker_spec_get(kept[i].spec);
	pthread_mutex_unlock(&kept_lock);
	return spec;
}

static void remember(const struct origin *origin, struct rocker_spec *spec)
{
	struct rocker_spec *old;
	struct kept *place;

	if (is_young(&origin->file) || is_young(&origin->users) || is_young(&origin->groups))
		return;
	pthread_mutex_lock(&kept_lock);
	place = &kept[next_kept++ % KEPT];
	old = place->spec;
	*place = (struct kept){ .spec = rocker_spec_get(spec), .since_ns = sfs_now_ns() };
	memcpy(&place->origin, origin, sizeof(*origin));
	pthread_mutex_unlock(&kept_lock);
	rocker_spec_put(old);
}

/* ---- what its file says -------------------------------------------------------------------------- */

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

/* For no name: what is its name by default is said where the file says it, so that it is the same for all names. */
static struct rocker_spec *parse(const struct sfs_cred *who, int fd, int *rc_out)
{
	struct plan_opener by;
	const struct rocker_judge judge = { .whose = { "", who->uid, who->gid }, .by = &by };
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

static struct rocker_spec *read_file(const char *path, const struct sfs_cred *who, int *rc_out)
{
	char sentence[SFS_SENTENCE_MAX];
	struct rocker_spec *spec;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		*rc_out = errno == ENOENT ? -ENOENT : -EACCES;
		*rc_out = sfs_fail(*rc_out, "template %.300s: %s", path, strerror(errno));
		return NULL;
	}
	spec = parse(who, fd, rc_out);
	close(fd);
	if (*rc_out) {
		snprintf(sentence, sizeof(sentence), "%.250s", sfs_sentence());
		*rc_out = sfs_fail(*rc_out, "template %.200s: %s", path, sentence);
	}
	return spec;
}

struct rocker_spec *rocker_template(const char *name, const struct sfs_cred *who, int *rc_out)
{
	const char *at = strchr(name, '@');
	char path[sizeof(((struct sfs_config *)0)->rocker_templates) + SFS_NAME_MAX + 8];
	struct rocker_spec *spec;
	struct origin origin;

	*rc_out = 0;
	if (!at)
		return rocker_spec_new();
	if (at == name || !at[1]) {
		*rc_out = sfs_fail(-EINVAL, "'%.64s' is not TEMPLATE@INSTANCE", name);
		return NULL;
	}
	snprintf(path, sizeof(path), "%s/%.*s.ini", sfs_config()->rocker_templates,
		 (int)(at - name), name);
	look(path, name, who, &origin);
	spec = recall(&origin);
	if (spec)
		return spec;
	spec = read_file(path, who, rc_out);
	if (spec)
		remember(&origin, spec);
	return spec;
}
