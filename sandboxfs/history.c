/* SPDX-License-Identifier: MIT */
/* The last refusals of each uid, in places of a fixed size. */
#include "history.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UIDS_MAX     32
#define REFUSALS_MAX 64  /* of one uid */
#define LINE_SHOWN   120 /* bytes of a command that are shown uncut */
#define LEAD_SHOWN   40  /* bytes before the bad word when a line is cut */
#define INDENT       4

struct place {
	uint64_t number; /* of all refusals, from one; 0: empty */
	uint64_t time_ns;
	uid_t uid;
	unsigned column, width; /* of the caret in shown; width 0: none */
	char name[16], path[256], shown[512], sentence[SFS_SENTENCE_MAX];
};

static struct past {
	uint64_t last; /* number of the last one; 0: nobody's */
	uid_t uid;
	struct place places[REFUSALS_MAX];
	unsigned next; /* the place that is taken next */
} pasts[UIDS_MAX];     /* under the lock */

static uint64_t count; /* refusals since the start; under the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- the command, with a caret --------------------------------------------------------------- */

/* The part of a command that is shown: a line of it, as offsets into it. */
struct part {
	size_t from, to;
	size_t word, word_end; /* of the bad word; equal: none */
};

/* Is word in the command or right behind it? As numbers: it may point anywhere. */
static bool has_word(const struct history_refusal *refusal)
{
	uintptr_t word = (uintptr_t)refusal->word, text = (uintptr_t)refusal->text;

	return refusal->word && word >= text && word - text <= refusal->len;
}

static struct part choose_part(const struct history_refusal *refusal)
{
	bool known = has_word(refusal);
	struct part part = { 0 };
	const char *end;

	if (known)
		part.word = (uintptr_t)refusal->word - (uintptr_t)refusal->text;
	for (part.from = part.word; part.from && refusal->text[part.from - 1] != '\n'; part.from--)
		;
	end = memchr(refusal->text + part.word, '\n', refusal->len - part.word);
	part.to = end ? (size_t)(end - refusal->text) : refusal->len;
	part.word_end = part.word;
	if (known)
		part.word_end += refusal->word_len < part.to - part.word ? refusal->word_len
									 : part.to - part.word;
	/* What is missing is missed right there. */
	if (known && part.word_end == part.word)
		part.word_end++;
	return part;
}

/* One byte as it is shown: 1 or 4 columns. */
static size_t put_byte(char *out, char byte)
{
	if (byte >= ' ' && byte <= '~') {
		out[0] = byte;
		return 1;
	}
	return (size_t)sprintf(out, "\\x%02X", (unsigned char)byte);
}

/* Shows refusal->text in place: cut around the bad word when it is long. */
static void show_command(struct place *place, const struct history_refusal *refusal)
{
	struct part part = choose_part(refusal);
	size_t at = part.from, used = 0;

	if (part.to - part.from > LINE_SHOWN && part.word - part.from > LEAD_SHOWN) {
		at = part.word - LEAD_SHOWN;
		used = (size_t)sprintf(place->shown, "... ");
	}
	for (part.from = at; at < part.to && at - part.from < LINE_SHOWN; at++) {
		if (at == part.word)
			place->column = (unsigned)used;
		used += put_byte(place->shown + used, refusal->text[at]);
		if (at >= part.word && at < part.word_end)
			place->width = (unsigned)used - place->column;
	}
	if (part.word_end > part.word && !place->width) {
		place->column = (unsigned)used;
		place->width = 1;
	}
	sprintf(place->shown + used, "%s", at < part.to ? " ..." : "");
}

/* ---- keeping --------------------------------------------------------------------------------- */

/* Under the lock: uid's own, else the one whose last refusal is the longest ago. */
static struct past *past_of(uid_t uid)
{
	struct past *oldest = pasts, *past;

	for (past = pasts; past < pasts + UIDS_MAX; past++) {
		if (past->last && past->uid == uid)
			return past;
		if (past->last < oldest->last)
			oldest = past;
	}
	for (unsigned i = 0; oldest->last && i < REFUSALS_MAX; i++)
		oldest->places[i].number = 0;
	oldest->uid = uid;
	oldest->next = 0;
	return oldest;
}

void history_add(const struct history_refusal *refusal)
{
	struct place place = { .time_ns = sfs_wall_ns(), .uid = refusal->uid };
	struct past *past;

	snprintf(place.name, sizeof(place.name), "%s", refusal->name);
	snprintf(place.path, sizeof(place.path), "%s", refusal->path);
	snprintf(place.sentence, sizeof(place.sentence), "%s", refusal->sentence);
	if (refusal->text)
		show_command(&place, refusal);
	pthread_mutex_lock(&lock);
	past = past_of(refusal->uid);
	place.number = past->last = ++count;
	past->places[past->next] = place;
	past->next = (past->next + 1) % REFUSALS_MAX;
	pthread_mutex_unlock(&lock);
}

/* ---- showing --------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	const struct place *const *x = a, *const *y = b;

	return (*x)->number < (*y)->number ? -1 : (*x)->number > (*y)->number;
}

static void put_place(const struct place *place, bool whose, struct sfs_buf *out)
{
	time_t seconds = (time_t)(place->time_ns / 1000000000u);
	char stamp[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	sfs_put(out, "%s.%03uZ ", stamp, (unsigned)(place->time_ns / 1000000 % 1000));
	if (whose)
		sfs_put(out, "uid %u ", place->uid);
	sfs_put(out, "%s %s\n", place->path, place->name);
	if (place->shown[0] || place->width)
		sfs_put(out, "%*s%s\n", INDENT, "", place->shown);
	if (place->width) {
		sfs_put(out, "%*s^", INDENT + (int)place->column, "");
		for (unsigned i = 1; i < place->width; i++)
			sfs_put_bytes(out, "~", 1);
		sfs_put_bytes(out, "\n", 1);
	}
	sfs_put(out, "%*s%s\n", INDENT, "", place->sentence);
}

void history_show(const struct sfs_cred *who, struct sfs_buf *out)
{
	const struct place *found[UIDS_MAX * REFUSALS_MAX];
	size_t n = 0, i;

	pthread_mutex_lock(&lock);
	for (const struct past *past = pasts; past < pasts + UIDS_MAX; past++)
		for (i = 0; past->last && i < REFUSALS_MAX; i++)
			if (past->places[i].number && (who->uid == 0 || past->uid == who->uid))
				found[n++] = &past->places[i];
	qsort(found, n, sizeof(*found), by_number);
	for (i = 0; i < n; i++)
		put_place(found[i], found[i]->uid != who->uid, out);
	pthread_mutex_unlock(&lock);
}
