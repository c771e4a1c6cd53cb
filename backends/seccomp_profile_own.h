/* SPDX-License-Identifier: MIT */
/*
 * A profile as a table: what becomes of each system call.
 *
 * profile_parse() is bytes in, table or sentence out. The format: sections of lines "key = value";
 * ";" or "#" begins a comment line.
 *
 *   [profile]  help = one line; answer = error (default) or kill; unlisted = refuse (default) or allow
 *   [allow] [refuse] [absent]  any key = names of system calls, separated by blanks; absent ones answer
 *              ENOSYS at once and are not reported, as if the kernel had none of them
 *   [when]     NAME = CONDITION and CONDITION ...: allowed if all of them hold; several lines of one
 *              NAME are alternatives. CONDITION: ARG is VALUE, ARG not VALUE, ARG & MASK is VALUE (or
 *              not). ARG counts from 0 and is compared in its lower 32 bits, of which alone
 *              the kernel takes notice in all calls that are judged so. VALUE: numbers and names of
 *              constants, joined by "|".
 *
 * Each call is named once. Names that this architecture lacks say nothing. Whatever a profile says, what
 * the guard of a rocker itself needs is allowed, and what is newer than this program is absent.
 */
#ifndef SECCOMP_PROFILE_OWN_H
#define SECCOMP_PROFILE_OWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "seccomp_profile.h"

#define PROFILE_CALLS          512 /* numbers below that */
#define PROFILE_NEWEST         469 /* file_setattr: the last number that this program knows */
#define PROFILE_LINES_MAX      48
#define PROFILE_CONDITIONS_MAX 4

enum profile_class {
	PROFILE_UNLISTED,
	PROFILE_ALLOW,
	PROFILE_REFUSE,
	PROFILE_ABSENT,
	PROFILE_WHEN
};

struct profile_condition {
	uint32_t argument, mask, value;
	bool differs; /* it must not be equal */
};

struct profile_line {
	int nr;
	unsigned n;
	struct profile_condition conditions[PROFILE_CONDITIONS_MAX];
};

struct profile {
	char help[96];
	bool kills, unlisted_allowed;
	uint8_t classes[PROFILE_CALLS]; /* enum profile_class; none is UNLISTED after parsing */
	unsigned nlines;
	struct profile_line lines[PROFILE_LINES_MAX];
};

/* 0, or -EINVAL with a sentence in why. */
int profile_parse(const char *text, struct profile *out, char *why, size_t why_size);
/* The number of a call here; negative: not on this architecture; INT_MIN: there is no such call. */
int profile_call(const char *name);
/* out->filter is owned by the caller. 0 or -errno with nothing made. */
int profile_compile(const struct profile *profile, struct sock_fprog *out);

#endif
