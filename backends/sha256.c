/* SPDX-License-Identifier: MIT */
/*
 * SHA-256: portable rounds, and those of the x86 SHA extensions where the CPU has them.
 *
 * The intrinsics follow Intel's "New Instructions Supporting the Secure Hash Algorithm on Intel
 * Architecture Processors".
 */
#include "sha256.h"

#include <stdatomic.h>
#include <string.h>

static const uint32_t round_constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static void expand(uint32_t w[64], const unsigned char *block)
{
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		       (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
		       (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
}

static void blocks_portable(uint32_t state[8], const unsigned char *data, size_t blocks)
{
	for (; blocks--; data += 64) {
		uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3];
		uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

		expand(w, data);
		for (int i = 0; i < 64; i++) {
			uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
				      ((e & f) ^ (~e & g)) + round_constants[i] + w[i];
			uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
				      ((a & b) ^ (a & c) ^ (b & c));

			h = g, g = f, f = e, e = d + t1;
			d = c, c = b, b = a, a = t1 + t2;
		}
		state[0] += a, state[1] += b, state[2] += c, state[3] += d;
		state[4] += e, state[5] += f, state[6] += g, state[7] += h;
	}
}

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

/*
 * Four rounds on the two halves of the state (ABEF and CDGH), with the words w already scheduled.
 */
#define FOUR_ROUNDS(w, i)                                                                          \
	do {                                                                                       \
		__m128i k = _mm_add_epi32(                                                         \
			w, _mm_loadu_si128(                                                        \
				   (const __m128i *)(const void *)&round_constants[4 * (i)]));     \
		cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);                                       \
		abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0e));              \
	} while (0)

__attribute__((target("sha,sse4.1,ssse3"))) static void
blocks_extensions(uint32_t state[8], const unsigned char *data, size_t blocks)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i low =
		_mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)&state[0]), 0xb1);
	__m128i high =
		_mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)&state[4]), 0x1b);
	__m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);

	for (; blocks--; data += 64) {
		__m128i abef0 = abef, cdgh0 = cdgh, w[4];

		for (int i = 0; i < 4; i++) {
			w[i] = _mm_shuffle_epi8(
				_mm_loadu_si128((const __m128i *)(const void *)(data + 16 * i)),
				swap);
			FOUR_ROUNDS(w[i], i);
		}
		for (int i = 4; i < 16; i++) {
			__m128i next = _mm_sha256msg1_epu32(w[0], w[1]);

			next = _mm_add_epi32(next, _mm_alignr_epi8(w[3], w[2], 4));
			next = _mm_sha256msg2_epu32(next, w[3]);
			w[0] = w[1], w[1] = w[2], w[2] = w[3], w[3] = next;
			FOUR_ROUNDS(next, i);
		}
		abef = _mm_add_epi32(abef, abef0);
		cdgh = _mm_add_epi32(cdgh, cdgh0);
	}
	low = _mm_shuffle_epi32(abef, 0x1b);
	high = _mm_shuffle_epi32(cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)(void *)&state[0], _mm_blend_epi16(low, high, 0xf0));
	_mm_storeu_si128((__m128i *)(void *)&state[4], _mm_alignr_epi8(high, low, 8));
}

static int cpu_has_extensions(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3))
		return 0;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 29);
}
#else
static void blocks_extensions(uint32_t state[8], const unsigned char *data, size_t blocks)
{
	blocks_portable(state, data, blocks);
}

static int cpu_has_extensions(void)
{
	return 0;
}
#endif

static atomic_int accelerated = -1; /* not yet known */

void sha256_accelerate(int allowed)
{
	atomic_store_explicit(&accelerated, allowed && cpu_has_extensions(), memory_order_relaxed);
}

static void blocks_any(uint32_t state[8], const unsigned char *data, size_t blocks)
{
	int fast = atomic_load_explicit(&accelerated, memory_order_relaxed);

	if (fast < 0) {
		/* Two threads that come here at once find the same. */
		sha256_accelerate(1);
		fast = atomic_load_explicit(&accelerated, memory_order_relaxed);
	}
	(fast ? blocks_extensions : blocks_portable)(state, data, blocks);
}

void sha256_init(struct sha256 *hash)
{
	static const uint32_t initial[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memcpy(hash->state, initial, sizeof(initial));
	hash->total = 0;
}

void sha256_add(struct sha256 *hash, const void *data, size_t size)
{
	const unsigned char *p = data;
	size_t held = hash->total % 64;

	if (!size)
		return;
	hash->total += size;
	if (held) {
		size_t take = size < 64 - held ? size : 64 - held;

		memcpy(hash->pending + held, p, take);
		p += take;
		size -= take;
		if (held + take < 64)
			return;
		blocks_any(hash->state, hash->pending, 1);
	}
	if (size >= 64)
		blocks_any(hash->state, p, size / 64);
	memcpy(hash->pending, p + size / 64 * 64, size % 64);
}

void sha256_end(struct sha256 *hash, unsigned char out[SHA256_BYTES])
{
	uint64_t bits = hash->total * 8;
	unsigned char tail[72] = { 0x80 };
	size_t zeros = (119 - hash->total % 64) % 64;

	for (int i = 0; i < 8; i++)
		tail[1 + zeros + i] = (unsigned char)(bits >> (56 - 8 * i));
	sha256_add(hash, tail, 1 + zeros + 8);
	for (int i = 0; i < 32; i++)
		out[i] = (unsigned char)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256_of(const void *data, size_t size, unsigned char out[SHA256_BYTES])
{
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, data, size);
	sha256_end(&hash, out);
}

void sha256_hex(const unsigned char hash[SHA256_BYTES], char out[SHA256_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < SHA256_BYTES; i++) {
		out[2 * i] = digits[hash[i] >> 4];
		out[2 * i + 1] = digits[hash[i] & 15];
	}
	out[SHA256_HEX] = '\0';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int sha256_parse(const char *hex, size_t len, unsigned char out[SHA256_BYTES])
{
	unsigned char hash[SHA256_BYTES];

	if (len != SHA256_HEX)
		return -1;
	for (int i = 0; i < SHA256_BYTES; i++) {
		int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		hash[i] = (unsigned char)(high << 4 | low);
	}
	memcpy(out, hash, sizeof(hash));
	return 0;
}
