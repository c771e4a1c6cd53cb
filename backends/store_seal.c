/* SPDX-License-Identifier: MIT */
/* The bytes of an upload: sealed, so that nobody changes them any more, then hashed. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store_priv.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int upload_hash(struct hashing *hashing, int fd, size_t size, unsigned char out[SHA256_BYTES])
{
	size_t left = size - hashing->done, n = left < STORE_PIECE ? left : STORE_PIECE;
	void *bytes = mmap(NULL, n, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, (off_t)hashing->done);

	if (bytes == MAP_FAILED)
		return sfs_fail(-ENOMEM, "the upload cannot be mapped: %s", strerror(errno));
	if (!hashing->done)
		sha256_init(&hashing->sha256);
	sha256_add(&hashing->sha256, bytes, n);
	munmap(bytes, n);
	hashing->done += n;
	if (hashing->done < size)
		return 1;
	sha256_end(&hashing->sha256, out);
	return policy_hash(out);
}

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
