/* SPDX-License-Identifier: MIT */
/*
 * Builtin references of linear algebra through the specifications that ship: an honest kernel passes, in any order of its
 * sums; every mutation of its output fails.
 * single-threaded
 */
#include "ref_run.h"

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

int main(void)
{
	if (!at_top())
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
	return check_done();
}
