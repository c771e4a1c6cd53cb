/* SPDX-License-Identifier: MIT */
/*
 * Codelets as other backends see them: found by name or by what they export, held while they are
 * used.
 *
 * A struct codelet is immutable and counted; the bytes that it holds stay the same when its name is
 * overwritten or removed.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandboxfs.h"

struct codelet {
	char name[SFS_NAME_MAX + 1];
	unsigned char sha256[32];
	char sha256_hex[65];
	uint64_t size;
	uint32_t elf_type, elf_machine;
	uid_t uid; /* owner and mode when it was loaded */
	gid_t gid;
	mode_t mode;
	uint64_t loaded_at_ns;    /* CLOCK_REALTIME */
	uint64_t sequence;        /* grows with each load: the newest is the largest */
	uint32_t missing;         /* imports that nothing provides */
	struct sfs_blob *exports; /* one name a line; owned */
	struct sfs_blob *imports; /* "name ok|missing|weak" a line; owned */
	struct sfs_blob *spec;    /* of the .sandboxfs section, or NULL; owned */
};

/*
 * By name, checked as open(2) for reading by who would be. Counted; NULL with sfs_fail: ENOENT,
 * EACCES (as *err_out).
 */
struct codelet *store_find(const char *name, const struct sfs_cred *who, int *err_out);
/*
 * The newest of who's own that exports symbol, then root's newest. "*": the newest with exactly one
 * export. Counted.
 */
struct codelet *store_find_export(const char *symbol, const struct sfs_cred *who, int *err_out);
struct codelet *store_get(struct codelet *codelet); /* one reference more */
void store_put(struct codelet *codelet);            /* NULL allowed */

/*
 * A sealed memfd with the bytes, verified by hash when read back; the caller closes it. -errno
 * otherwise.
 */
int store_open(struct codelet *codelet);

/* Beginning and end of a use: shown as state and counted in info. */
void store_running(struct codelet *codelet, int delta);

/*
 * News for the layer above: a codelet with an embedded specification was loaded (and its kernel has
 * to be made, or the load refused: -errno with sfs_fail), or a codelet went away. Called before the
 * name appears, on any thread, one at a time.
 */
struct store_listener {
	int (*loading)(struct codelet *codelet);
	void (*gone)(struct codelet *codelet);
};
void store_listen(const struct store_listener *listener);

extern const struct sfs_backend store_backend;    /* /store */
extern const struct sfs_backend codelets_backend; /* /codelets */

#endif
