/* SPDX-License-Identifier: MIT */
/*
 * Statistics of samples: quantiles, deviations, what is left when the empty bracket is subtracted.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double measure_quantile(const double *sorted, size_t n, double q)
{
	double position = q * (double)(n - 1);
	size_t below = (size_t)position;
	double part = position - (double)below;

	if (below + 1 >= n)
		return sorted[n - 1];
	return sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

static double deviation(const double *sorted, size_t n, double median, double *scratch)
{
	for (size_t i = 0; i < n; i++)
		scratch[i] = fabs(sorted[i] - median);
	qsort(scratch, n, sizeof(*scratch), compare_doubles);
	return measure_quantile(scratch, n, 0.5);
}

void measure_summarise(double *values, size_t n, double *scratch, struct measure_summary *out)
{
	double sum = 0;

	if (!n) {
		*out = (struct measure_summary){ NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0 };
		return;
	}
	qsort(values, n, sizeof(*values), compare_doubles);
	for (size_t i = 0; i < n; i++)
		sum += values[i];
	out->min = values[0];
	out->p25 = measure_quantile(values, n, 0.25);
	out->median = measure_quantile(values, n, 0.5);
	out->p75 = measure_quantile(values, n, 0.75);
	out->p95 = measure_quantile(values, n, 0.95);
	out->max = values[n - 1];
	out->mean = sum / (double)n;
	out->mad = scratch ? deviation(values, n, out->median, scratch) : NAN;
	out->samples = n;
}

double measure_aggregate(const struct measure_summary *summary, const char *name)
{
	if (!strcmp(name, "min"))
		return summary->min;
	if (!strcmp(name, "p25"))
		return summary->p25;
	return summary->median;
}

void measure_scale(struct measure_summary *summary, double factor)
{
	double *fields[] = { &summary->min, &summary->p25, &summary->median, &summary->p75,
			     &summary->p95, &summary->max, &summary->mad,    &summary->mean };

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		*fields[i] *= factor;
}

double measure_net(uint64_t ticks, uint64_t overhead, uint32_t batch, uint64_t step, int *below)
{
	uint64_t net = ticks > overhead ? ticks - overhead : 0;

	if (net < step)
		*below = 1;
	return (double)net / (batch ? batch : 1);
}
