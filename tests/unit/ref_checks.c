/* SPDX-License-Identifier: MIT */
/*
 * Builtin references through the specifications that ship: an honest kernel passes, in any order of
 * its sums; every mutation of its output fails; known answers of hashes hold.
 */
#include "check.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernelspec.h"

#define FOLDER "backends/specs"

/* One specification bound to words, with buffers as a run would leave them before the call. */
struct run {
	struct spec *spec;
	struct spec_bound bound;
	struct spec_outcome outcome;
	void *in[SPEC_BUFFERS_MAX], *out[SPEC_BUFFERS_MAX]; /* owned */
};

static bool set_up_text(struct run *r, const char *text, size_t size, const char *words)
{
	struct spec_word split[32];
	struct spec_error err;
	int n = spec_split(words, strlen(words), split, 32, &err);

	memset(r, 0, sizeof(*r));
	r->spec = spec_parse(text, size, NULL, &err);
	if (!r->spec || spec_bind(r->spec, split, (unsigned)n, 1 << 28, &r->bound, &err)) {
		check_fail(__FILE__, __LINE__, "%s: %s", words, err.text);
		spec_free(r->spec);
		return false;
	}
	for (unsigned i = 0; i < r->bound.nbuffers; i++) {
		size_t bytes = r->bound.buffers[i].bytes;

		r->in[i] = malloc(bytes + 1);
		r->out[i] = malloc(bytes + 1);
		spec_fill(&r->bound, i, 1, r->in[i], &err);
		memcpy(r->out[i], r->in[i], bytes);
		r->outcome.inputs[i] = r->in[i];
		r->outcome.outputs[i] = r->out[i];
		r->outcome.addresses[i] = 0x7f0000001000 + i * 0x100000;
	}
	return true;
}

static bool set_up(struct run *r, const char *name, const char *words)
{
	char path[200], *text = malloc(SPEC_BYTES_MAX);
	FILE *f;
	size_t size;
	bool done;

	snprintf(path, sizeof(path), FOLDER "/%s.ini", name);
	f = fopen(path, "r");
	if (!f) {
		check_fail(__FILE__, __LINE__, "no %s", path);
		free(text);
		return false;
	}
	size = fread(text, 1, SPEC_BYTES_MAX, f);
	fclose(f);
	done = set_up_text(r, text, size, words);
	free(text);
	return done;
}

static void tear_down(struct run *r)
{
	for (unsigned i = 0; i < r->bound.nbuffers; i++) {
		free(r->in[i]);
		free(r->out[i]);
	}
	spec_unbind(&r->bound);
	spec_free(r->spec);
}

static struct spec_verdict check(struct run *r)
{
	struct spec_verdict v;
	struct spec_error err;

	if (spec_check(&r->bound, &r->outcome, &v, &err))
		check_fail(__FILE__, __LINE__, "spec_check: %s", err.text);
	return v;
}

#define PASSES(r)                                                                                  \
	do {                                                                                       \
		struct spec_verdict verdict_ = check(r);                                           \
		CHECK_MSG(verdict_.passed && !strcmp(verdict_.text, "ok"), "refused: %s",          \
			  verdict_.text);                                                          \
	} while (0)
#define FAILS(r, sentence)                                                                         \
	do {                                                                                       \
		struct spec_verdict verdict_ = check(r);                                           \
		CHECK(!verdict_.passed);                                                           \
		CHECK_HAS(verdict_.text, sentence);                                                \
	} while (0)

static void return_f32(struct run *r, float f)
{
	r->outcome.ret = 0;
	memcpy(&r->outcome.ret, &f, sizeof(f));
}

static void return_f64(struct run *r, double f)
{
	memcpy(&r->outcome.ret, &f, sizeof(f));
}

/* ---- dot ------------------------------------------------------------------------------------- */

static float dot_forward(const float *x, const float *y, int n, int incx, int incy)
{
	float sum = 0;

	for (int i = 0; i < n; i++)
		sum += x[i * incx] * y[i * incy];
	return sum;
}

static float dot_lanes(const float *x, const float *y, int n, int incx, int incy)
{
	float sum[8] = { 0 };

	for (int i = 0; i < n; i++)
		sum[i % 8] = fmaf(x[i * incx], y[i * incy], sum[i % 8]);
	return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

static void honest_dots(void)
{
	static const int sizes[] = { 0, 1, 2, 3, 7, 8, 63, 1000, 100000 };

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int inc = 1; inc <= 3; inc += 2) {
			struct run r;
			char words[64];

			snprintf(words, sizeof(words), "n=%d incx=%d incy=2 seed=%u", sizes[i], inc,
				 i + 1);
			if (!set_up(&r, "sdot", words))
				continue;
			return_f32(&r, dot_forward(r.in[0], r.in[1], sizes[i], inc, 2));
			PASSES(&r);
			return_f32(&r, dot_lanes(r.in[0], r.in[1], sizes[i], inc, 2));
			PASSES(&r);
			tear_down(&r);
		}
}

static void wrong_dots(void)
{
	struct spec_verdict v;
	struct run r;
	double exact = 0, magnitude = 0;
	const float *x, *y;

	if (!set_up(&r, "sdot", "n=1000"))
		return;
	x = r.in[0];
	y = r.in[1];
	for (int i = 0; i < 1000; i++) {
		exact += (double)x[i] * y[i];
		magnitude += fabs((double)x[i] * y[i]);
	}
	return_f32(&r, (float)(exact + 2 * 64 * 0x1p-24 * magnitude));
	FAILS(&r, "ret: got ");
	return_f32(&r, (float)(exact - 2 * 64 * 0x1p-24 * magnitude));
	FAILS(&r, "tolerance");
	return_f32(&r, dot_forward(x, y, 999, 1, 1));
	FAILS(&r, "ret");
	return_f32(&r, dot_forward(x, y + 1, 999, 1, 1));
	FAILS(&r, "ret");
	return_f32(&r, NAN);
	FAILS(&r, "got nan");
	return_f32(&r, INFINITY);
	FAILS(&r, "got inf");
	return_f32(&r, 0);
	FAILS(&r, "got 0, expected ");
	return_f32(&r, (float)exact);
	v = check(&r);
	CHECK(v.passed);
	CHECK_MSG(v.max_ulp <= 0.5, "%g", v.max_ulp);
	CHECK_MSG(v.scaled_error < 1 && v.scaled_error >= 0, "%g", v.scaled_error);
	CHECK_NEAR(v.tolerance, 0, 0);
	CHECK_INT(v.compared, 1);
	tear_down(&r);
}

/* With a tolerance of n roundings these would pass. */
static void lazy_long_dots(void)
{
	struct run r;

	if (!set_up(&r, "sdot", "n=4000000"))
		return;
	return_f32(&r, 0);
	FAILS(&r, "got 0, expected ");
	return_f32(&r, dot_forward(r.in[0], r.in[1], 4000000, 1, 1));
	PASSES(&r);
	return_f32(&r, dot_forward(r.in[0], r.in[1], 3990000, 1, 1));
	FAILS(&r, "ret: got ");
	tear_down(&r);
}

static void double_dots(void)
{
	struct run r;
	double sum = 0, back = 0, magnitude = 0;
	const double *x, *y;

	if (!set_up(&r, "cblas_ddot", "n=5000 incx=3"))
		return;
	x = r.in[0];
	y = r.in[1];
	for (int i = 0; i < 5000; i++) {
		sum += x[3 * i] * y[i];
		back += x[3 * (4999 - i)] * y[4999 - i];
		magnitude += fabs(x[3 * i] * y[i]);
	}
	return_f64(&r, sum);
	PASSES(&r);
	return_f64(&r, back);
	PASSES(&r);
	return_f64(&r, sum + 3 * 64 * 0x1p-53 * magnitude);
	FAILS(&r, "ret: got ");
	tear_down(&r);
}

/* ---- vectors --------------------------------------------------------------------------------- */

static void axpys(void)
{
	struct run r;
	float *y;
	const float *x;

	if (!set_up(&r, "saxpy", "n=1000 incx=2 incy=3 alpha=-0.3"))
		return;
	x = r.in[0];
	y = r.out[1];
	for (int i = 0; i < 1000; i++)
		y[3 * i] += -0.3f * x[2 * i];
	PASSES(&r);
	y[2997] *= 1 + 8 * 0x1p-23f;
	FAILS(&r, "buffer y, element 2997 of 2998: got ");
	y[2997] = ((const float *)r.in[1])[2997] + -0.3f * x[1998];
	PASSES(&r);
	y[1] += 1;
	FAILS(&r, "buffer y, element 1 of 2998");
	FAILS(&r, "as before: the kernel has no business there");
	memcpy(y, r.in[1], 2998 * sizeof(*y));
	FAILS(&r, "values differ");
	for (int i = 0; i < 1000; i++)
		y[i] += -0.3f * x[2 * i];
	FAILS(&r, "buffer y, element 1 of 2998");
	tear_down(&r);
}

static void triads(void)
{
	struct run r;
	double *a;
	const double *b, *c;

	if (!set_up(&r, "stream_triad", "n=777 scalar=0.7"))
		return;
	a = r.out[0];
	b = r.in[1];
	c = r.in[2];
	for (int i = 0; i < 777; i++)
		a[i] = b[i] + 0.7 * c[i];
	PASSES(&r);
	for (int i = 0; i < 777; i++)
		a[i] = fma(0.7, c[i], b[i]);
	PASSES(&r);
	a[776] = 0;
	FAILS(&r, "buffer a, element 776 of 777: got 0, expected ");
	tear_down(&r);
}

static void scals(void)
{
	static const char text[] = "[kernel]\nname=s\nfunction=s\n[buffer.x]\ntype=f64\ncount="
				   "9\naccess=rw\ninit=normal(0,1)\n[check]\n"
				   "reference=builtin:scal(5,3,x,2)\ncompare=x\n";
	struct run r;
	double *x;

	if (!set_up_text(&r, text, strlen(text), ""))
		return;
	x = r.out[0];
	for (int i = 0; i < 9; i += 2)
		x[i] *= 3;
	PASSES(&r); /* no tolerance is exact, and one product rounds as the reference does */
	x[8] = nextafter(x[8], 100);
	FAILS(&r, "buffer x, element 8 of 9");
	tear_down(&r);
}

/* ---- gemm ------------------------------------------------------------------------------------ */

static void micro_kernel(struct run *r, int mr, int nr, int k, int rs, int cs, bool backwards)
{
	const float *a = r->in[0], *b = r->in[1], alpha = *(const float *)r->in[3],
		    beta = *(const float *)r->in[4];
	float *c = r->out[2];

	for (int i = 0; i < mr; i++)
		for (int j = 0; j < nr; j++) {
			float sum = 0, *at = &c[i * rs + j * cs];

			for (int p = 0; p < k; p++) {
				int q = backwards ? k - 1 - p : p;

				sum += a[q * mr + i] * b[q * nr + j];
			}
			*at = (beta != 0 ? beta * ((const float *)r->in[2])[i * rs + j * cs] : 0) +
			      alpha * sum;
		}
}

static void micro_kernels(void)
{
	struct run r;
	float *c, keep;
	struct spec_verdict v;

	if (!set_up(&r, "sgemm", "mr=5 nr=3 k=300 rs_c=1 cs_c=7 alpha=-1.5 beta=0.5"))
		return;
	CHECK(r.bound.buffers[2].reset);
	c = r.out[2];
	micro_kernel(&r, 5, 3, 300, 1, 7, false);
	PASSES(&r);
	micro_kernel(&r, 5, 3, 300, 1, 7, true);
	PASSES(&r);
	v = check(&r);
	CHECK_INT(v.compared, 4 + 2 * 7 + 1);
	CHECK(v.max_error <= v.tolerance);
	/* The tolerance is wide at the worst element; twice it is out of bounds everywhere. */
	for (int at = 0; at < 19; at++) {
		keep = c[at];
		c[at] += 2.5f * (float)v.tolerance * 3;
		FAILS(&r, "buffer c, element");
		c[at] = keep;
	}
	PASSES(&r);
	micro_kernel(&r, 5, 3, 299, 1, 7, false);
	FAILS(&r, "buffer c, element 0 of 19");
	memcpy(r.out[2], r.in[2], 19 * sizeof(float));
	micro_kernel(&r, 5, 3, 300, 3, 1, false);
	FAILS(&r, "buffer c");
	tear_down(&r);
}

static void gap_in_c(void)
{
	struct run r;

	if (!set_up(&r, "sgemm", "mr=2 nr=2 k=4 rs_c=1 cs_c=4"))
		return;
	micro_kernel(&r, 2, 2, 4, 1, 4, false);
	PASSES(&r);
	((float *)r.out[2])[3] = 7;
	FAILS(&r, "buffer c, element 3 of 6: got 7, expected ");
	tear_down(&r);
}

/* All eight ways of storing, with leading dimensions above the least. */
static void full_gemms(void)
{
	for (int way = 0; way < 8; way++) {
		bool row = way & 1, ta = way & 2, tb = way & 4;
		int m = 7, n = 5, k = 11, lda = 13, ldb = 14, ldc = 15;
		char words[160];
		struct run r;
		const double *a, *b;
		double *c;

		snprintf(words, sizeof(words),
			 "order=%d transa=%d transb=%d m=%d n=%d k=%d lda=%d ldb=%d ldc=%d beta=2",
			 row ? 101 : 102, ta ? 112 : 111, tb ? 112 : 111, m, n, k, lda, ldb, ldc);
		if (!set_up(&r, "cblas_dgemm", words))
			continue;
		a = r.in[0];
		b = r.in[1];
		c = r.out[2];
		for (int i = 0; i < m; i++)
			for (int j = 0; j < n; j++) {
				double sum = 0, *at = &c[row ? i * ldc + j : i + j * ldc];

				for (int p = 0; p < k; p++)
					sum += a[row != ta ? i * lda + p : i + p * lda] *
					       b[row != tb ? p * ldb + j : p + j * ldb];
				*at = 2 * *at + sum;
			}
		PASSES(&r);
		c[0] += 1;
		FAILS(&r, "buffer c, element 0");
		tear_down(&r);
	}
}

static void too_large_a_gemm(void)
{
	struct run r;
	struct spec_verdict v;
	struct spec_error err;

	if (!set_up(&r, "cblas_dgemm", "m=2000 n=2000 k=2"))
		return;
	CHECK_INT(spec_check(&r.bound, &r.outcome, &v, &err), -E2BIG);
	CHECK_HAS(err.text, "too large to check: reference gemm");
	tear_down(&r);
}

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

/* ---- other
 * ---------------------------------------------------------------------------------------------------------
 */

static void nothing_to_check(void)
{
	struct run r;
	struct spec_verdict v;

	if (!set_up(&r, "hash64", "n=10"))
		return;
	v = check(&r);
	CHECK(v.passed);
	CHECK_STR(v.text, "no check");
	tear_down(&r);
}

#define TWO                                                                                        \
	"[kernel]\nname=s\nfunction=s\n[buffer.x]\ntype=f32\ncount=4\naccess=rw\ninit=const(3)\n[" \
	"check]\ncompare=x\n"

static void tolerances(void)
{
	struct run r;
	float *x;

	if (set_up_text(&r, TWO "reference=builtin:scal(4,2,x,1)\ntolerance=ulp(2)\n",
			strlen(TWO "reference=builtin:scal(4,2,x,1)\ntolerance=ulp(2)\n"), "")) {
		x = r.out[0];
		for (int i = 0; i < 4; i++)
			x[i] = 6;
		x[3] = 6 + 2 * 0x1p-21f; /* the floats next to 6 are 2^-21 apart */
		PASSES(&r);
		CHECK_DOUBLE(check(&r).max_ulp, 2);
		x[3] = 6 + 3 * 0x1p-21f;
		FAILS(&r,
		      "buffer x, element 3 of 4: got 6.00000143, expected 6, tolerance 9.54e-07");
		x[3] = NAN;
		FAILS(&r, "got nan, expected 6");
		tear_down(&r);
	}
	if (set_up_text(&r, TWO "reference=builtin:scal(4,2,x,1)\ntolerance=abs(ref)*eps*n*4\n",
			strlen(TWO "reference=builtin:scal(4,2,x,1)\ntolerance=abs(ref)*eps*n*4\n"),
			"")) {
		x = r.out[0];
		for (int i = 0; i < 4; i++)
			x[i] = 6 + 3 * 0x1p-21f; /* 24 * 2^-24 = 3 * 2^-21 */
		PASSES(&r);
		CHECK_DOUBLE(check(&r).tolerance, 24 * 0x1p-24);
		x[0] = 6 + 4 * 0x1p-21f;
		FAILS(&r, "buffer x, element 0 of 4");
		tear_down(&r);
	}
}

static void nans(void)
{
	static const char *const texts[] = { TWO "reference=builtin:scal(4,2,x,1)\n",
					     TWO "reference=builtin:scal(4,2,x,1)\nnan = equal\n" };

	for (int equal = 0; equal < 2; equal++) {
		struct run r;
		float nan = NAN;

		if (!set_up_text(&r, texts[equal], strlen(texts[equal]), ""))
			continue;
		for (int i = 0; i < 4; i++)
			((float *)r.out[0])[i] = i == 2 ? nan : 6;
		memcpy((float *)r.in[0] + 2, &nan, sizeof(nan));
		if (equal)
			PASSES(&r);
		else
			FAILS(&r, "buffer x, element 2 of 4: got nan, expected nan");
		tear_down(&r);
	}
}

static void codelet_reference(void)
{
	static const char text[] = "[kernel]\nname=s\nfunction=s\nreturns=f32\n[check]\nreference="
				   "codelet:a.o:f\ncompare=ret\n";
	struct run r;
	struct spec_verdict v;
	struct spec_error err;

	if (!set_up_text(&r, text, strlen(text), ""))
		return;
	CHECK_STR(r.bound.codelet_reference, "a.o:f");
	CHECK_INT(spec_check(&r.bound, &r.outcome, &v, &err), -EOPNOTSUPP);
	CHECK_HAS(err.text, "not supported yet");
	tear_down(&r);
}

int main(void)
{
	for (int up = 0; up < 4 && access(FOLDER, R_OK); up++)
		if (chdir(".."))
			return 1;
	RUN(honest_dots);
	RUN(wrong_dots);
	RUN(lazy_long_dots);
	RUN(double_dots);
	RUN(axpys);
	RUN(triads);
	RUN(scals);
	RUN(micro_kernels);
	RUN(gap_in_c);
	RUN(full_gemms);
	RUN(too_large_a_gemm);
	RUN(copies);
	RUN(sets);
	RUN(comparisons);
	RUN(lengths);
	RUN(sorts);
	RUN(hashes);
	RUN(nothing_to_check);
	RUN(tolerances);
	RUN(nans);
	RUN(codelet_reference);
	return check_done();
}
