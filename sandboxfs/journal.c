/* SPDX-License-Identifier: MIT */
/* The last events: places of a fixed size, used one after the other. */
#include "journal.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "node.h"

#define EVENTS_MIN 4096 /* events that are kept at least, once there were so many */
#define EVENTS_OUT 1024 /* of them leave at once */
#define PLACES     (EVENTS_MIN + EVENTS_OUT)

struct place {
	uid_t uid;
	char line[252]; /* with its newline */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct place places[PLACES]; /* by number; under the lock, like the next */
static uint64_t last, first = 1;    /* numbers of the events that are kept; none: last < first */

/* "object event detail", printable; a line that is too long is cut. */
static void describe(char *out, size_t room, struct sfs_obj *obj, const char *event,
		     const char *detail)
{
	char path[NODE_PATH_MAX];
	size_t used;

	node_path(obj, NULL, path, sizeof(path));
	errors_escape(out, room, path);
	used = strlen(out);
	used += (size_t)snprintf(out + used, room - used, " %s ", event);
	if (used >= room)
		return;
	errors_escape(out + used, room - used, detail[0] ? detail : "-");
}

void sfs_event(struct sfs_obj *obj, uid_t uid, const char *event, const char *format, ...)
{
	char detail[sizeof(places->line)], what[sizeof(places->line) - 56];
	struct place *place;
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	describe(what, sizeof(what), obj, event, detail);
	pthread_mutex_lock(&lock);
	place = &places[++last % PLACES];
	if (last - first == PLACES)
		first += EVENTS_OUT;
	place->uid = uid;
	snprintf(place->line, sizeof(place->line), "%llu %llu %u %s\n", (unsigned long long)last,
		 (unsigned long long)sfs_wall_ns(), uid, what);
	pthread_mutex_unlock(&lock);
	sfs_changed(node_root(), "log");
}

void journal_show(const struct sfs_cred *who, struct sfs_buf *out)
{
	uid_t daemon;
	gid_t gid;
	mode_t mode;
	uint64_t number;

	sfs_owner(node_root(), &daemon, &gid, &mode);
	pthread_mutex_lock(&lock);
	for (number = first; number <= last; number++) {
		const struct place *place = &places[number % PLACES];

		if (who->uid == 0 || place->uid == who->uid || place->uid == 0 ||
		    place->uid == daemon)
			sfs_put_bytes(out, place->line, strlen(place->line));
	}
	pthread_mutex_unlock(&lock);
}
