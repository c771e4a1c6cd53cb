/* SPDX-License-Identifier: MIT */
/* Between writing rockers to disk (rocker_save.c) and reading them back (rocker_load.c): where they are. */
#ifndef ROCKER_SAVE_H
#define ROCKER_SAVE_H

#include "made.h"

#define ROCKER_FORMAT "sandboxfs-rocker 1" /* the first line of each */

/* Set before there are threads. */
extern int rocker_folder;
extern struct made rocker_made, rocker_texts;

#endif
