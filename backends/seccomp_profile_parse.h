/* SPDX-License-Identifier: MIT */
/* Between the reader of profiles and its names. */
#ifndef SECCOMP_PROFILE_PARSE_H
#define SECCOMP_PROFILE_PARSE_H

#include "seccomp_profile_own.h"

/* Numbers and constants joined by "|"; the words are cut. */
bool profile_value(char *words, uint32_t *out);

#endif
