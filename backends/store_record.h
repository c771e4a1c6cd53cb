/* SPDX-License-Identifier: MIT */
/*
 * The store's index record: what is kept on disk about one name, as text that says itself whether
 * it is whole.
 *
 * Pure: bytes in, record out. The last line is the SHA-256 of all lines before it.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RECORD_BYTES 512 /* no record is longer */

struct store_record {
	unsigned char sha256[32];
	uint64_t size; /* of the codelet */
	uid_t uid;
	gid_t gid;
	mode_t mode;
	uint64_t loaded_at_ns; /* CLOCK_REALTIME */
	uint64_t mtime_ns;     /* as utimens(2) set it; 0: that of the load */
	uint64_t sequence;     /* the newest is the largest */
};

/* The length of the text. */
size_t record_format(const struct store_record *record, char out[RECORD_BYTES]);
/* 0, or -EBADMSG: not exactly what record_format() writes. */
int record_parse(const char *text, size_t size, struct store_record *out);

#endif
