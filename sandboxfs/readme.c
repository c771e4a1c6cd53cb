/* SPDX-License-Identifier: MIT */
/* The mount's README: a session, and what each file is, out of the same rows as the tree. */
#include "readme.h"

#include <stdio.h>
#include <string.h>

#include "node.h"

#define README_KINDS_MAX 32 /* kinds of directory that README describes */
#define README_PLACE_MAX 200

/* One walk over what is there now, which shows each kind of directory where it is met first. */
struct tour {
	const struct sfs_dirtype *seen[README_KINDS_MAX];
	unsigned nseen;
	char place[README_PLACE_MAX];
	struct sfs_buf *out;
};

static bool seen_before(struct tour *tour, const struct sfs_dirtype *type)
{
	unsigned i;

	for (i = 0; i < tour->nseen; i++)
		if (tour->seen[i] == type)
			return true;
	if (tour->nseen < README_KINDS_MAX)
		tour->seen[tour->nseen++] = type;
	return false;
}

static void put_rows(struct sfs_buf *out, const char *place, const struct sfs_attr *attr)
{
	for (; attr && attr->name; attr++)
		sfs_put(out, "%s/%s  (%04o)\n    %s\n", place, attr->name,
			(unsigned)attr->mode & 07777, attr->help ?: "");
}

static int tour_dir(struct sfs_obj *dir, void *arg)
{
	struct tour *tour = arg;
	size_t length = strlen(tour->place);
	struct sfs_obj *top = dir->node.dir;

	if (seen_before(tour, dir->type))
		return 0;
	/* Objects of one kind stand for all of that kind: only the top has names of its own. */
	snprintf(tour->place + length, sizeof(tour->place) - length, "/%s",
		 top && !top->node.dir ? sfs_name(dir) : "NAME");
	if (dir->type->make)
		sfs_put(tour->out, "%s/  mkdir makes an object here\n", tour->place);
	if (dir->type->uploads)
		sfs_put(tour->out, "%s/  files are copied in here\n", tour->place);
	put_rows(tour->out, tour->place, dir->type->attrs);
	sfs_each(dir, tour_dir, tour);
	tour->place[length] = '\0';
	return 0;
}

int readme_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct tour tour = { .out = out };

	(void)who;
	sfs_put(out, "%s\n", sfs_session);
	sfs_put(out,
		"One line written to a file is one command; the write answers with an errno. Why, "
		"in a sentence, is\n"
		"told by reading the same open file, the file error beside it, or /error. "
		"Reading changes nothing.\n"
		"rmdir removes an object with its files. What each file is:\n\n");
	put_rows(out, "", dir->type->attrs);
	sfs_each(dir, tour_dir, &tour);
	return 0;
}
