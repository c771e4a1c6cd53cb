/* SPDX-License-Identifier: MIT */
/*
 * Where control groups are mounted here; part of cgroup.c, private to it and its tests.
 */
#ifndef CGROUP_FIND_H
#define CGROUP_FIND_H

#include <stddef.h>

#include "cgroup.h"

/*
 * Opens the directories below which ours shall stand, one for each controller; with version 2 the
 * same twice. The version, or -errno: -ENOENT when no hierarchy has both controllers, -EACCES and
 * -EROFS when they are not ours to use.
 */
int cgroup_find(int parents[CGROUP_CONTROLLERS]);

/*
 * The path of the own group in /proc/self/cgroup's text: of that version 1 controller, or with NULL
 * of version 2. Into buf; -ENOENT or -ENAMETOOLONG.
 */
int cgroup_own_path(const char *text, const char *controller, char *buf, size_t size);
/*
 * Where /proc/self/mounts' text says that hierarchy is mounted. Into buf; -ENOENT or -ENAMETOOLONG.
 */
int cgroup_mount_point(const char *text, const char *controller, char *buf, size_t size);
/* Does the list of words hold this one? */
bool cgroup_has_word(const char *words, const char *word, const char *separators);

/* Removes directories sandboxfs-PID of processes that are gone, with the numbered ones in them. */
void cgroup_sweep(int parent);

#endif
