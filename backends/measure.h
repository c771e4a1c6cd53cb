/* SPDX-License-Identifier: MIT */
/*
 * Statistics of samples, as pure functions.
 *
 * Nothing is thrown away silently: every sample that is given counts, and what the tails do shows
 * in p95, max and the median absolute deviation. Quantiles interpolate linearly between the two
 * samples that enclose them (Hyndman and Fan 1996, type 7, as R and NumPy do by default).
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stddef.h>
#include <stdint.h>

struct measure_summary {
	double min, p25, median, p75, p95, max;
	double mad; /* median of the distances from the median, not scaled */
	double mean;
	size_t samples;
};

/*
 * values are sorted in place; scratch holds n doubles and may be NULL, and then mad is NaN. None of
 * the values may be NaN. With n 0 every field is NaN, samples 0.
 */
void measure_summarise(double *values, size_t n, double *scratch, struct measure_summary *out);

/* The quantile q (0..1) of n > 0 sorted values. */
double measure_quantile(const double *sorted, size_t n, double q);

/* The field called name: p25, median or min; any other name gives the median. */
double measure_aggregate(const struct measure_summary *summary, const char *name);

/* Each field times factor, which is positive: the same samples in another unit. */
void measure_scale(struct measure_summary *summary, double factor);

/*
 * Ticks of one call out of those of a sample: the empty bracket subtracted, divided by the calls of
 * a sample; never negative. Below step ticks in the sample the clock says nothing: then below is
 * set (never cleared).
 */
double measure_net(uint64_t ticks, uint64_t overhead, uint32_t batch, uint64_t step, int *below);

#endif
