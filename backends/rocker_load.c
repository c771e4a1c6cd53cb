/* SPDX-License-Identifier: MIT */
/*
 * Rockers that an earlier daemon kept, read back. What cannot be read stays where it is and is reported in /status.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"
#include "rocker_life.h"
#include "rocker_save.h"
#include "store_disk.h"

#define FILE_MAX (SFS_COMMAND_MAX + 65536)

struct saved {
	struct sfs_owner owner;
	struct plan_opener *openers[ROCKER_KEYS]; /* owned */
	const char *spec;
	size_t size;
};

static bool take_number(const char **text, int base, uint32_t *out)
{
	unsigned long long number;
	char *end;

	*text += strspn(*text, " ");
	if (**text < '0' || **text > '9')
		return false;
	number = strtoull(*text, &end, base);
	*text = end;
	*out = (uint32_t)number;
	return number <= UINT32_MAX;
}

static bool parse_opener(const char *text, struct saved *out)
{
	const char *end = strchr(text, ' ');
	enum rocker_key key = end ? rocker_key_find(text, (size_t)(end - text)) : ROCKER_KEYS;
	struct plan_opener *by;

	if (key == ROCKER_KEYS || out->openers[key])
		return false;
	by = out->openers[key] = calloc(1, sizeof(*by));
	if (!by || !take_number(&end, 10, &by->uid) || !take_number(&end, 10, &by->gid))
		return false;
	while (by->ngroups < PLAN_GROUPS_MAX && take_number(&end, 10, &by->groups[by->ngroups]))
		by->ngroups++;
	return !*end;
}

static bool parse_saved(char *text, size_t size, struct saved *out)
{
	char *at = text;
	const char *line = parse_keyed_line(&at, ROCKER_FORMAT);
	bool good = line && !*line && (line = parse_keyed_line(&at, "uid ")) &&
		    take_number(&line, 10, &out->owner.uid) &&
		    (line = parse_keyed_line(&at, "gid ")) &&
		    take_number(&line, 10, &out->owner.gid) &&
		    (line = parse_keyed_line(&at, "mode ")) &&
		    take_number(&line, 8, &out->owner.mode) && !*line;

	while (good && (line = parse_keyed_line(&at, "by ")))
		good = parse_opener(line, out);
	line = good ? parse_keyed_line(&at, "") : NULL;
	out->spec = at;
	out->size = size - (size_t)(at - text);
	return line && !*line;
}

/* What was judged when it was written is not judged again by who may what, but for the id 0. */
static struct rocker_spec *parse_spec(const char *name, const struct saved *saved, int *rc_out)
{
	static const struct plan_opener root;
	const struct rocker_judge judge = { .whose = { name, saved->owner.uid, saved->owner.gid },
					    .by = &root };
	struct rocker_spec *spec = rocker_spec_parse(&judge, saved->spec, saved->size, rc_out);

	for (unsigned key = 0; spec && key < ROCKER_KEYS; key++) {
		if (!spec->openers[key])
			continue;
		if (saved->openers[key]) {
			*spec->openers[key] = *saved->openers[key];
			continue;
		}
		*rc_out =
			sfs_fail(-EIO, "its file does not say who wrote %s", rocker_key_name(key));
		rocker_spec_put(spec);
		return NULL;
	}
	return spec;
}

/* line: of it among the texts; 0: it has a file of its own. */
static int restore(struct sfs_obj *parent, const char *name, const struct saved *saved,
		   unsigned line)
{
	int rc = 0;
	struct rocker_spec *spec = parse_spec(name, saved, &rc);
	struct rocker *rocker = spec ? rocker_new(name, &saved->owner, spec) : NULL;

	if (!rocker)
		return rc ?: sfs_fail(-ENOMEM, "out of memory");
	rocker->filed = !line;
	rocker->text = line;
	rocker_get(rocker); /* until its life has begun again */
	rc = rocker_plant(parent, rocker, &saved->owner);
	if (!rc)
		rocker_adopt(rocker);
	rocker_put(rocker);
	return rc;
}

/* text ends in NUL, and is changed. */
static int restore_text(struct sfs_obj *parent, const char *name, char *text, size_t size,
			unsigned line)
{
	struct saved saved = { .size = 0 };
	int rc = 0;

	if (strlen(text) != size || !parse_saved(text, size, &saved))
		rc = sfs_fail(-EIO, line ? "its line is damaged" : "its file is damaged");
	rc = rc ?: restore(parent, name, &saved, line);
	for (unsigned key = 0; key < ROCKER_KEYS; key++)
		free(saved.openers[key]);
	return rc;
}

static int read_back(struct sfs_obj *parent, const char *name)
{
	void *text = NULL;
	size_t size = 0;
	int rc = disk_read(rocker_folder, name, FILE_MAX, &text, &size);

	rc = rc ? sfs_fail(-EIO, "its file cannot be read")
		: restore_text(parent, name, text, size, 0);
	free(text);
	return rc;
}

/* The file of a rocker that has one says more, and is there as a rocker if it could be read. */
static bool restore_filed(struct sfs_obj *parent, const char *name, bool is_text, unsigned number)
{
	struct sfs_obj *dir = sfs_find(parent, name);
	struct rocker *rocker = dir ? sfs_priv(dir) : NULL;
	bool is_its_own = rocker && rocker->filed;

	if (is_its_own && is_text)
		rocker->text = number;
	else if (is_its_own)
		rocker->made = number;
	sfs_put_obj(dir);
	return is_its_own;
}

static bool restore_made(struct sfs_obj *parent, const char *name, const struct sfs_owner *owner,
			 struct made_text text, unsigned number)
{
	struct rocker *rocker;

	(void)text; /* there are lines alone */
	if (!faccessat(rocker_folder, name, F_OK, AT_SYMLINK_NOFOLLOW))
		return restore_filed(parent, name, false, number);
	rocker = rocker_new(name, owner, rocker_spec_new());
	if (rocker)
		rocker->made = number;
	if (!rocker || rocker_plant(parent, rocker, owner))
		sfs_status(name, "rocker %.64s is not loaded: %s", name,
			   rocker ? sfs_sentence() : "out of memory");
	return true;
}

static bool restore_templates(struct sfs_obj *parent, const char *name,
			      const struct sfs_owner *owner, struct made_text text, unsigned number)
{
	char *copy;

	(void)owner; /* the text says it too */
	if (!faccessat(rocker_folder, name, F_OK, AT_SYMLINK_NOFOLLOW))
		return restore_filed(parent, name, true, number);
	copy = strndup(text.bytes, text.size);
	if (!copy || restore_text(parent, name, copy, text.size, number))
		sfs_status(name, "rocker %.64s is not loaded: %s", name,
			   copy ? sfs_sentence() : "out of memory");
	free(copy);
	return true;
}

int rocker_load_all(struct sfs_obj *parent)
{
	DIR *dir = fdopendir(fcntl(rocker_folder, F_DUPFD_CLOEXEC, 0));
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (!strncmp(name, ".tmp.", 5)) /* what a daemon that died was writing */
			(void)unlinkat(rocker_folder, name, 0);
		if (name[0] == '.')
			continue;
		if (strlen(name) > SFS_NAME_MAX || read_back(parent, name))
			sfs_status(name, "rocker %.64s is not loaded: %s", name, sfs_sentence());
	}
	if (dir)
		closedir(dir);
	return made_load(&rocker_made, rocker_folder, parent, restore_made)
		       ?: made_load(&rocker_texts, rocker_folder, parent, restore_templates);
}
