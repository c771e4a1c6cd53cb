/* SPDX-License-Identifier: MIT */
/* What is done once the caller has its answer. */
#include "after.h"

#include <sched.h>

#include "sandboxfs.h"

#define CALLS_MAX 32

/* Of one operation; what is more is called at once. */
static _Thread_local struct {
	bool begun;
	unsigned count;
	struct {
		void (*call)(void *arg);
		void *arg;
	} calls[CALLS_MAX];
} left;

void sfs_after(void (*call)(void *arg), void *arg)
{
	if (!left.begun || left.count == CALLS_MAX) {
		call(arg);
		return;
	}
	left.calls[left.count].call = call;
	left.calls[left.count++].arg = arg;
}

void after_begin(void)
{
	left.begun = true;
}

void after_end(bool patient)
{
	left.begun = false;
	if (left.count && patient)
		(void)sched_yield();
	for (unsigned i = 0; i < left.count; i++)
		left.calls[i].call(left.calls[i].arg);
	left.count = 0;
}
