/* SPDX-License-Identifier: MIT */
/*
 * Builtin references over bytes and whole numbers: an honest kernel passes, every mutation of its output fails, known answers
 * of hashes hold.
 * single-threaded
 */
#include "ref_run.h"

/* ---- bytes ----------------------------------------------------------------------------------- */

static void copies(void)
{
	struct run r;
	unsigned char *dst;

	if (!set_up(&r, "memcpy", "n=1000"))
		return;
	dst = r.out[0];
	memcpy(dst, r.in[1], 1000);
	r.outcome.ret = r.outcome.addresses[0];
	PASSES(&r);
	r.outcome.ret++;
	FAILS(&r, "ret: got 0x7f0000001001, expected 0x7f0000001000");
	r.outcome.ret--;
	dst[999] ^= 1;
	FAILS(&r, "buffer dst, element 999 of 1000: got ");
	dst[999] ^= 1;
	memmove(dst + 1, dst, 999);
	FAILS(&r, "values differ");
	tear_down(&r);
}

static void sets(void)
{
	struct run r;

	if (!set_up(&r, "memset", "n=300 c=200"))
		return;
	memset(r.out[0], 200, 300);
	r.outcome.ret = r.outcome.addresses[0];
	PASSES(&r);
	((unsigned char *)r.out[0])[299] = 201;
	FAILS(&r, "buffer dst, element 299 of 300: got 201, expected 200");
	tear_down(&r);
}

static void comparisons(void)
{
	struct run r;
	int sign;

	if (!set_up(&r, "memcmp", "n=300 at=123"))
		return;
	sign = memcmp(r.in[0], r.in[1], 300);
	CHECK(sign != 0);
	r.outcome.ret = (uint32_t)(sign < 0 ? -77 : 77);
	PASSES(&r);
	r.outcome.ret = (uint32_t)(sign < 0 ? 77 : -77);
	FAILS(&r, "ret: got ");
	r.outcome.ret = 0;
	FAILS(&r, "(only the sign counts)");
	tear_down(&r);
	if (!set_up(&r, "memcmp", "n=300 at=300"))
		return;
	PASSES(&r);
	r.outcome.ret = 1;
	FAILS(&r, "ret: got 1, expected 0");
	tear_down(&r);
}

static void lengths(void)
{
	struct run r;

	if (!set_up(&r, "strlen", "n=1234"))
		return;
	r.outcome.ret = 1234;
	PASSES(&r);
	r.outcome.ret = 1235;
	FAILS(&r, "ret: got 1235, expected 1234");
	tear_down(&r);
}

static void sorts(void)
{
	struct run r;
	uint32_t *a, keep;

	if (!set_up(&r, "sort_u32", "n=500"))
		return;
	a = r.out[0];
	FAILS(&r, "values differ");
	for (int i = 1; i < 500; i++)
		for (int k = i; k > 0 && a[k - 1] > a[k]; k--) {
			keep = a[k];
			a[k] = a[k - 1];
			a[k - 1] = keep;
		}
	PASSES(&r);
	a[0] = a[1];
	FAILS(&r, "buffer a, element 0 of 500");
	tear_down(&r);
}

/* ---- hashes ---------------------------------------------------------------------------------- */

#define HASH_HEAD "[kernel]\nname=h\nfunction=h\nreturns=u64\n[buffer.b]\ntype=u8\naccess=r\n"

static void expect_hash(const char *rest, uint64_t expected)
{
	char text[600];
	struct run r;

	snprintf(text, sizeof(text), HASH_HEAD "%s", rest);
	if (!set_up_text(&r, text, strlen(text), ""))
		return;
	r.outcome.ret = expected;
	PASSES(&r);
	r.outcome.ret ^= 1;
	FAILS(&r, "ret: got ");
	tear_down(&r);
}

/* Answers of zlib 1.2.13 and xxHash 0.8.1 for bytes 1, 2, 3, ... */
static void hashes(void)
{
#define COUNTING(n, reference)                                                                     \
	"count=" #n "\ninit=iota(1,1)\n[check]\nreference=builtin:" reference "\ncompare=ret\n"
	expect_hash(COUNTING(0, "xxh64(b,0,5)"), UINT64_C(0x4be1d406981cfd3b));
	expect_hash(COUNTING(0, "crc32(0,b,0)"), UINT64_C(0x0));
	expect_hash(COUNTING(0, "adler32(1,b,0)"), UINT64_C(0x1));
	expect_hash(COUNTING(1, "xxh64(b,1,5)"), UINT64_C(0xe72fa18ab8b0e76e));
	expect_hash(COUNTING(3, "xxh64(b,3,5)"), UINT64_C(0xee4bfb316b20fccc));
	expect_hash(COUNTING(4, "xxh64(b,4,5)"), UINT64_C(0x35768b4b269de0f0));
	expect_hash(COUNTING(4, "crc32(0,b,4)"), UINT64_C(0xb63cfbcd));
	expect_hash(COUNTING(4, "adler32(1,b,4)"), UINT64_C(0x18000b));
	expect_hash(COUNTING(8, "xxh64(b,8,5)"), UINT64_C(0x4ad1285e2dba2121));
	expect_hash(COUNTING(31, "xxh64(b,31,5)"), UINT64_C(0x2e2a1eafd33c7dd));
	expect_hash(COUNTING(32, "xxh64(b,32,5)"), UINT64_C(0xb4dcbc56a3fdfbad));
	expect_hash(COUNTING(32, "crc32(0,b,32)"), UINT64_C(0x87e6ec25));
	expect_hash(COUNTING(32, "adler32(1,b,32)"), UINT64_C(0x17800211));
	expect_hash(COUNTING(33, "xxh64(b,33,5)"), UINT64_C(0xd1be6a76341266fc));
	expect_hash(COUNTING(77, "xxh64(b,77,5)"), UINT64_C(0xf16c14bbe762a5b3));
	expect_hash(COUNTING(300, "xxh64(b,300,5)"), UINT64_C(0xc5e428d62a562042));
	expect_hash(COUNTING(300, "crc32(0,b,300)"), UINT64_C(0xa80c17c5));
	expect_hash(COUNTING(300, "adler32(1,b,300)"), UINT64_C(0x5447835f));
	expect_hash(COUNTING(5000, "crc32(0xdeadbeef,b,4999)"), UINT64_C(0xecfed653));
	expect_hash(COUNTING(5000, "adler32(0x12345678,b,4999)"), UINT64_C(0xf090f15b));
}

int main(void)
{
	if (!at_top())
		return 1;
	RUN(copies);
	RUN(sets);
	RUN(comparisons);
	RUN(lengths);
	RUN(sorts);
	RUN(hashes);
	return check_done();
}
