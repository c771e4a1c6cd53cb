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

/* A whole file of /proc or of a control group; longer ones are cut. 0 or -errno. */
int cgroup_read_text(int dir, const char *path, char *buf, size_t size);
/* The directory of that group where it is mounted, writable; a descriptor or -errno. */
int cgroup_open_below(const char *mount_point, const char *path);

/* Removes directories sandboxfs-PID of processes that are gone, with the groups in them. */
void cgroup_sweep(int parent);
/* The same with the groups below that directory, but for those of which stays says so. */
void cgroup_clear_kill(int dir, bool (*stays)(const char *name));
void cgroup_clear(int dir, bool (*stays)(const char *name));
/* Only ends what is left in them, and thaws it for that. */
void cgroup_sweep_kill(int parent);

#endif
