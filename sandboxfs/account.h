/* SPDX-License-Identifier: MIT */
/*
 * What each uid holds of the core's own resources: open files, and files that are staged with their
 * bytes. Any thread.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * One open file more. spare: of those that tell what is wrong, which a few may be when nothing else
 * may. 0, or -EDQUOT with a sentence.
 */
int account_open(uid_t uid, bool spare);
void account_close(uid_t uid);
int account_stage_file(uid_t uid); /* 0, or -EDQUOT with a sentence */
void account_unstage_file(uid_t uid);
int account_stage(uid_t uid, uint64_t bytes); /* 0, or -EDQUOT with a sentence */
void account_unstage(uid_t uid, uint64_t bytes);
/*
 * The text of an open file, which may be the last that keeps it in memory. 0, or -EDQUOT with a
 * sentence.
 */
int account_hold(uid_t uid, uint64_t bytes);
void account_unhold(uid_t uid, uint64_t bytes);

#endif
