/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 (FIPS 180-4) of bytes in memory, in one piece or in several.
 *
 * Our own, since none of the libraries that the daemon links has it and the kernel's AF_ALG costs a
 * socket and several system calls for each file (and is missing in many containers). The SHA
 * extensions of the CPU are used where they are found at run time. Pure: no globals that change
 * after the first call, no I/O, any thread.
 */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_HEX   64 /* characters, without the NUL */

struct sha256 {
	uint32_t state[8];
	uint64_t total; /* bytes so far */
	unsigned char pending[64];
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t size);
void sha256_end(struct sha256 *hash, unsigned char out[SHA256_BYTES]);

/* All at once. */
void sha256_of(const void *data, size_t size, unsigned char out[SHA256_BYTES]);

/*
 * Lower-case hexadecimal digits and a NUL; and back: 0, or -1 when it is not exactly 64 hexadecimal
 * digits.
 */
void sha256_hex(const unsigned char hash[SHA256_BYTES], char out[SHA256_HEX + 1]);
int sha256_parse(const char *hex, size_t len, unsigned char out[SHA256_BYTES]);

/* For tests: false makes the portable code run where the CPU could do better. */
void sha256_accelerate(int allowed);

#endif
