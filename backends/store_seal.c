/* SPDX-License-Identifier: MIT */
/* The bytes of an upload: sealed, so that nobody changes them any more, then hashed. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store_priv.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS), err = errno;

	errno = seals < 0 ? err : EPERM;
	return seals >= 0 && (seals & SEALS) == SEALS;
}

int upload_seal(int fd, size_t size)
{
	/* Perhaps it was judged before, and refused, and is renamed again. */
	if (fcntl(fd, F_ADD_SEALS, SEALS) && (errno != EPERM || !is_sealed(fd)))
		return sfs_fail(errno == EBUSY ? -EBUSY : -EIO, "the upload cannot be sealed: %s",
				strerror(errno));
	/* Somebody who cut it before the seal would have it mapped beyond its end. */
	return lseek(fd, 0, SEEK_END) == (off_t)size
		       ? 0
		       : sfs_fail(-EIO, "the upload changed its size");
}

int upload_hash(int fd, size_t size, void **bytes_out, unsigned char out[SHA256_BYTES])
{
	void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);

	if (bytes == MAP_FAILED)
		return sfs_fail(-ENOMEM, "the upload cannot be mapped: %s", strerror(errno));
	*bytes_out = bytes;
	sha256_of(bytes, size, out);
	return policy_hash(out);
}
