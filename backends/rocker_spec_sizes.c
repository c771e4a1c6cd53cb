/* SPDX-License-Identifier: MIT */
/* Numbers of limits, in the spelling of control groups of version 2. */
#include <errno.h>
#include <string.h>

#include "parse.h"
#include "rocker_spec.h"

#define CPU_PERIOD_US     100000
#define CPU_PERIOD_MIN_US 1000
#define CPU_PERIOD_MAX_US 1000000
#define CPU_QUOTA_MIN_US  1000
#define CPU_QUOTA_MAX_US  (UINT64_C(1) << 40)
#define DEVICE_MAX        ((1u << 20) - 1)

static unsigned suffix_bits(char c)
{
	switch (c | 0x20) {
	case 'k':
		return 10;
	case 'm':
		return 20;
	case 'g':
		return 30;
	case 't':
		return 40;
	default:
		return 0;
	}
}

int rocker_size(const char *text, size_t len, uint64_t *out)
{
	unsigned bits = len ? suffix_bits(text[len - 1]) : 0;
	uint64_t number = 0;
	int rc;

	if (parse_equal(text, len, "max")) {
		*out = PLAN_NO_LIMIT;
		return 0;
	}
	rc = parse_u64(text, len - (bits != 0), &number);
	if (!rc && number > (uint64_t)INT64_MAX >> bits)
		rc = -ERANGE;
	if (!rc)
		*out = number << bits;
	return rc;
}

static int number_between(const struct rocker_word *word, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t number = 0;
	int rc = parse_u64(word->text, word->len, &number);

	if (!rc && (number < min || number > max))
		rc = -ERANGE;
	if (!rc)
		*out = number;
	return rc;
}

int rocker_cpu(const struct rocker_word *words, unsigned count, struct plan_limits *out)
{
	uint64_t quota = PLAN_NO_LIMIT, period = CPU_PERIOD_US;
	int rc = count && count <= 2 ? 0 : -EINVAL;

	if (!rc && !parse_equal(words[0].text, words[0].len, "max"))
		rc = number_between(&words[0], CPU_QUOTA_MIN_US, CPU_QUOTA_MAX_US, &quota);
	if (!rc && count == 2)
		rc = number_between(&words[1], CPU_PERIOD_MIN_US, CPU_PERIOD_MAX_US, &period);
	if (rc)
		return rc;
	out->cpu_quota_us = quota;
	out->cpu_period_us = period;
	return 0;
}

static int io_device(const struct rocker_word *word, struct plan_device *out)
{
	const char *colon = memchr(word->text, ':', word->len);
	size_t len = colon ? (size_t)(colon - word->text) : 0;
	uint64_t major = 0, minor = 0;
	int rc = colon ? parse_u64(word->text, len, &major) : -EINVAL;

	rc = rc ?: parse_u64(colon + 1, word->len - len - 1, &minor);
	if (!rc && (major > DEVICE_MAX || minor > DEVICE_MAX))
		rc = -ERANGE;
	out->major = (uint32_t)major;
	out->minor = (uint32_t)minor;
	return rc;
}

static int io_limit(const struct rocker_word *word, struct plan_device *out)
{
	static const char *const keys[] = { "rbps", "wbps", "riops", "wiops", NULL };
	uint64_t *const fields[] = { &out->rbps, &out->wbps, &out->riops, &out->wiops };
	const char *equals = memchr(word->text, '=', word->len);
	size_t len = equals ? (size_t)(equals - word->text) : 0;
	int key = equals ? parse_choice(word->text, len, keys) : -1, rc;
	uint64_t value = 0;

	if (key < 0)
		return -EINVAL;
	rc = rocker_size(equals + 1, word->len - len - 1, &value);
	if (!rc && !value)
		rc = -ERANGE;
	if (!rc)
		*fields[key] = value;
	return rc;
}

int rocker_io(const struct rocker_word *words, unsigned count, struct plan_device *out,
	      const struct rocker_word **bad_out)
{
	struct plan_device device = { .rbps = PLAN_NO_LIMIT,
				      .wbps = PLAN_NO_LIMIT,
				      .riops = PLAN_NO_LIMIT,
				      .wiops = PLAN_NO_LIMIT };
	int rc = count ? io_device(&words[0], &device) : -EINVAL;

	*bad_out = words;
	for (unsigned i = 1; !rc && i < count; i++) {
		*bad_out = &words[i];
		rc = io_limit(&words[i], &device);
	}
	if (!rc)
		*out = device;
	return rc;
}
