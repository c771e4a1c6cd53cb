/* SPDX-License-Identifier: MIT */
/* The statistics against values computed by hand. */
/* single-threaded */
#include <math.h>

#include "check.h"
#include "measure.h"

static void odd_count(void)
{
	double values[] = { 5, 1, 4, 2, 3 }, scratch[5];
	struct measure_summary s;

	measure_summarise(values, 5, scratch, &s);
	CHECK_DOUBLE(s.min, 1);
	CHECK_DOUBLE(s.p25, 2);
	CHECK_DOUBLE(s.median, 3);
	CHECK_DOUBLE(s.p75, 4);
	CHECK_NEAR(s.p95, 4.8, 1e-12);
	CHECK_DOUBLE(s.max, 5);
	CHECK_DOUBLE(s.mad, 1);
	CHECK_DOUBLE(s.mean, 3);
	CHECK_INT(s.samples, 5);
}

static void even_count_interpolates(void)
{
	double values[] = { 10, 20, 30, 40 }, scratch[4];
	struct measure_summary s;

	measure_summarise(values, 4, scratch, &s);
	CHECK_DOUBLE(s.median, 25);
	CHECK_DOUBLE(s.p25, 17.5);
	CHECK_DOUBLE(s.p75, 32.5);
	CHECK_DOUBLE(s.mad, 10);
}

static void one_sample(void)
{
	double values[] = { 7 }, scratch[1];
	struct measure_summary s;

	measure_summarise(values, 1, scratch, &s);
	CHECK_DOUBLE(s.min, 7);
	CHECK_DOUBLE(s.p95, 7);
	CHECK_DOUBLE(s.max, 7);
	CHECK_DOUBLE(s.mad, 0);
}

static void no_sample(void)
{
	struct measure_summary s;

	measure_summarise(NULL, 0, NULL, &s);
	CHECK_INT(s.samples, 0);
	CHECK(isnan(s.median));
}

static void outlier_stays(void)
{
	double values[101], scratch[101];
	struct measure_summary s;

	for (int i = 0; i < 100; i++)
		values[i] = 100;
	values[100] = 1e9;
	measure_summarise(values, 101, scratch, &s);
	CHECK_DOUBLE(s.median, 100);
	CHECK_DOUBLE(s.max, 1e9);
	CHECK_DOUBLE(s.mad, 0);
	CHECK_INT(s.samples, 101);
}

static void scaled(void)
{
	double values[] = { 2, 4, 6 }, scratch[3];
	struct measure_summary s;

	measure_summarise(values, 3, scratch, &s);
	measure_scale(&s, 0.5);
	CHECK_DOUBLE(s.median, 2);
	CHECK_DOUBLE(s.mad, 1);
	CHECK_INT(s.samples, 3);
}

static void aggregates(void)
{
	double values[] = { 1, 2, 3, 4, 5 };
	struct measure_summary s;

	measure_summarise(values, 5, NULL, &s);
	CHECK(isnan(s.mad));
	CHECK_DOUBLE(measure_aggregate(&s, "min"), 1);
	CHECK_DOUBLE(measure_aggregate(&s, "p25"), 2);
	CHECK_DOUBLE(measure_aggregate(&s, "median"), 3);
	CHECK_DOUBLE(measure_aggregate(&s, ""), 3);
}

static void net(void)
{
	int below = 0;

	CHECK_DOUBLE(measure_net(1052, 52, 10, 26, &below), 100);
	CHECK_INT(below, 0);
	CHECK_DOUBLE(measure_net(60, 52, 1, 26, &below), 8);
	CHECK_INT(below, 1);
	below = 0;
	CHECK_DOUBLE(measure_net(26, 52, 1, 26, &below), 0);
	CHECK_INT(below, 1);
}

int main(void)
{
	RUN(odd_count);
	RUN(even_count_interpolates);
	RUN(one_sample);
	RUN(no_sample);
	RUN(outlier_stays);
	RUN(scaled);
	RUN(aggregates);
	RUN(net);
	return check_done();
}
