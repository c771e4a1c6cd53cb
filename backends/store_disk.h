/* SPDX-License-Identifier: MIT */
/*
 * The store's few ways to touch the disk: small files that appear whole under a name, or not at
 * all.
 *
 * Each changing operation of the store goes through here, so that a test can kill the process at
 * any of them: with SFS_FAULTS defined, the operation number disk_fault_at (counted from 1; of a
 * write the first half is done) ends it with SIGKILL. Every function returns 0 or -errno as the
 * kernel gave it; none notes a sentence. Any thread may call.
 */
#ifndef STORE_DISK_H
#define STORE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk_bytes {
	const void *data;
	size_t size;
};

/*
 * Writes the bytes to a new file with a name of its own in directory dir, its name to temp_out
 * (DISK_TEMP bytes); durable: they are on the disk when this returns. On failure nothing is left.
 */
#define DISK_TEMP 32
int disk_write_temp(int dir, const struct disk_bytes *bytes, bool durable,
		    char temp_out[DISK_TEMP]);

/*
 * The same piece by piece: what has been opened has to be closed, with the rc of what came before;
 * on failure of any nothing is left, and open has closed it already.
 */
struct disk_file {
	int dir, fd;
	char temp[DISK_TEMP];
};
int disk_file_open(struct disk_file *file, int dir, uint64_t size);
/* Adds size bytes of a sealed memfd from offset at, which is one of a page. */
int disk_file_copy(struct disk_file *file, int from, uint64_t at, size_t size);
/* Brings them to the disk where that can be done for a part, which leaves less for the end. */
int disk_file_flush(const struct disk_file *file, uint64_t at, size_t size);
int disk_file_close(struct disk_file *file, int rc, bool durable);

/* Gives it its name, in place of what had that name. */
int disk_rename(int dir, const char *from, const char *to, bool durable);
/* -ENOENT is no failure. */
int disk_unlink(int dir, const char *name, bool durable);
/* Brings one file, or with NULL the directory, to the disk. */
int disk_sync(int dir, const char *name);
/* Does a part of that beforehand, where it can be done; what goes wrong is for disk_sync() to find. */
void disk_flush(int dir, const char *name, uint64_t at, size_t size);
/* write_temp and rename, all or none. */
int disk_put(int dir, const char *name, const struct disk_bytes *bytes, bool durable);

/*
 * The whole file into memory that the caller frees, a NUL behind it; -EFBIG when it is larger than
 * max.
 */
int disk_read(int dir, const char *name, size_t max, void **data_out, size_t *size_out);
/* A directory below dir, made with mode 0700 if it is not there: the descriptor or -errno. */
int disk_open_dir(int dir, const char *name);

#ifdef SFS_FAULTS
extern long disk_fault_at;           /* 0: never; set while nothing else runs */
extern _Atomic long disk_operations; /* so far */
#endif

#endif
