/* SPDX-License-Identifier: MIT */
/*
 * The configuration: rows that read it, check it, show it and describe it.
 *
 * Filled in by main() before anything is forked; constant afterwards.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "sandboxfs.h"

/* Every key at its default. */
void config_defaults(void);
/* Adds what the file says. 0, or -errno with a sentence that names file and line. */
int config_load(const char *path);
/* The same from memory; name is for the sentence. */
int config_parse(const char *name, const char *text);
/* One key. 0, or -EINVAL or -ERANGE with a sentence. */
int config_set(const char *section, const char *key, const char *value);

/* As INI that config_parse() accepts. */
void config_show(struct sfs_buf *out);
/* One line a key for people: key, default, bounds, what it means. */
void config_describe(struct sfs_buf *out);

#endif
