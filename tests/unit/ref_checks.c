/* SPDX-License-Identifier: MIT */
/* What is compared with a builtin reference, and how far it may differ: tolerances, NaN, nothing at all. */
/* single-threaded */
#include "ref_run.h"

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
	if (!at_top())
		return 1;
	RUN(nothing_to_check);
	RUN(tolerances);
	RUN(nans);
	RUN(codelet_reference);
	return check_done();
}
