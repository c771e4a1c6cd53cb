/* SPDX-License-Identifier: MIT */
/* What a job has written: bounded, charged to its user, in the order in which it came. */
#include "rocker_output.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_LEAST 1024
#define PIECES_MAX 16384 /* then standard error comes after standard output */
#define PIECE_MAX  0x7fffffffu
#define OF_ERR     0x80000000u

/* ---- what users keep ------------------------------------------------------------------------- */

struct payer {
	struct payer *next;
	uid_t uid;
	uint64_t bytes; /* never 0 */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct payer *payers; /* under lock */

static struct payer **find(uid_t uid)
{
	struct payer **at = &payers;

	while (*at && (*at)->uid != uid)
		at = &(*at)->next;
	return at;
}

static bool charge(uid_t uid, uint64_t bytes)
{
	struct payer **at, *payer;
	bool done;

	pthread_mutex_lock(&lock);
	at = find(uid);
	payer = *at ?: calloc(1, sizeof(*payer));
	done = payer && payer->bytes + bytes <= sfs_config()->outputs_max_bytes;
	if (done && !*at) {
		payer->uid = uid;
		*at = payer;
	} else if (!done && !*at) {
		free(payer);
	}
	if (done)
		payer->bytes += bytes;
	pthread_mutex_unlock(&lock);
	return done;
}

static void discharge(uid_t uid, uint64_t bytes)
{
	struct payer **at, *payer;

	if (!bytes)
		return;
	pthread_mutex_lock(&lock);
	at = find(uid);
	payer = *at;
	payer->bytes -= bytes;
	if (!payer->bytes) {
		*at = payer->next;
		free(payer);
	}
	pthread_mutex_unlock(&lock);
}

/* ---- one job's ------------------------------------------------------------------------------- */

static void *grown(struct rocker_output *output, void *old, size_t had, size_t room)
{
	void *data;

	if (!charge(output->uid, room - had))
		return NULL;
	data = realloc(old, room);
	if (data)
		output->charged += room - had;
	else
		discharge(output->uid, room - had);
	return data;
}

/* How many of size bytes find room. */
static size_t make_room(struct rocker_output *output, struct output_part *part, size_t size)
{
	size_t max = (size_t)sfs_config()->rocker_output_bytes, want,
	       room = part->room ?: ROOM_LEAST;
	char *data;

	want = part->size + (size < max - part->size ? size : max - part->size);
	while (room < want)
		room *= 2;
	if (room > max)
		room = max;
	if (room > part->room) {
		data = grown(output, part->data, part->room, room);
		if (data) {
			part->data = data;
			part->room = room;
		}
	}
	want = want < part->room ? want : part->room;
	return want - part->size;
}

static void note_piece(struct rocker_output *output, enum output_which which, size_t size)
{
	uint32_t of = which == OUTPUT_ERR ? OF_ERR : 0, *last, *pieces;
	unsigned room;

	last = output->npieces ? &output->pieces[output->npieces - 1] : NULL;
	if (last && (*last & OF_ERR) == of && (*last & PIECE_MAX) + size <= PIECE_MAX) {
		*last += (uint32_t)size;
		return;
	}
	if (output->npieces == output->pieces_room) {
		room = output->pieces_room ? 2 * output->pieces_room : 16;
		if (room > PIECES_MAX)
			return;
		pieces = grown(output, output->pieces, output->pieces_room * sizeof(*pieces),
			       room * sizeof(*pieces));
		if (!pieces)
			return;
		output->pieces = pieces;
		output->pieces_room = room;
	}
	output->pieces[output->npieces++] = of | (uint32_t)size;
}

void output_add(struct rocker_output *output, enum output_which which, const void *data,
		size_t size)
{
	struct output_part *part = &output->parts[which];
	size_t kept;

	if (output->whole)
		return;
	kept = make_room(output, part, size);
	output->dropped += size - kept;
	if (!kept)
		return;
	memcpy(part->data + part->size, data, kept);
	part->size += kept;
	note_piece(output, which, kept);
}

struct sfs_blob *output_part_blob(const struct rocker_output *output, enum output_which which)
{
	const struct output_part *part = &output->parts[which];

	return sfs_blob_new(part->size ? part->data : "", part->size);
}

struct sfs_blob *output_blob(const struct rocker_output *output)
{
	size_t at[OUTPUTS] = { 0 };
	struct sfs_buf *buf;

	if (output->whole)
		return sfs_blob_get(output->whole);
	if (!output->parts[OUTPUT_ERR].size)
		return output_part_blob(output, OUTPUT_OUT);
	if (!output->parts[OUTPUT_OUT].size)
		return output_part_blob(output, OUTPUT_ERR);
	buf = sfs_buf_new();
	for (unsigned i = 0; i < output->npieces; i++) {
		enum output_which which = output->pieces[i] & OF_ERR ? OUTPUT_ERR : OUTPUT_OUT;
		size_t size = output->pieces[i] & PIECE_MAX;

		sfs_put_bytes(buf, output->parts[which].data + at[which], size);
		at[which] += size;
	}
	for (unsigned i = 0; i < OUTPUTS; i++)
		sfs_put_bytes(buf, output->parts[i].data + at[i], output->parts[i].size - at[i]);
	return sfs_buf_finish(buf);
}

static void free_parts(struct rocker_output *output)
{
	for (unsigned i = 0; i < OUTPUTS; i++) {
		free(output->parts[i].data);
		output->parts[i].data = NULL;
	}
	free(output->pieces);
	output->pieces = NULL;
}

struct sfs_blob *output_close(struct rocker_output *output)
{
	struct sfs_blob *blob = output_blob(output);

	if (blob && !output->whole) {
		output->whole = sfs_blob_get(blob);
		free_parts(output);
	}
	return blob;
}

void output_clear(struct rocker_output *output)
{
	free_parts(output);
	sfs_blob_put(output->whole);
	discharge(output->uid, output->charged);
	*output = (struct rocker_output){ .uid = output->uid };
}
