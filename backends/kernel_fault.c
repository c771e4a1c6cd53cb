/* SPDX-License-Identifier: MIT */
/*
 * How a run ended when it did not end well, in the words of the specification: buffers, elements,
 * functions.
 */
#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "kernel_outcome.h"
#include "kernels.h"

#define PAGE       4096ull
#define NULL_PAGES 16ull
#define STACK_NEAR (1ull << 20) /* a large frame steps over the guard page */

/* Names come escaped; but they come out of a jail. */
static void copy_name(const char *name, size_t max, char *out)
{
	size_t i;

	for (i = 0; i < max && name[i]; i++)
		out[i] = name[i] > ' ' && name[i] <= '~' ? name[i] : '?';
	out[i] = 0;
}

const char *kernel_place(const struct template *template, uint64_t address, char *buf, size_t size)
{
	const struct wire_link *link = template->link;
	uint32_t count = link->count < WIRE_SYMBOLS_MAX ? link->count : WIRE_SYMBOLS_MAX;
	const struct wire_symbol *best = NULL;
	char name[sizeof(best->name) + 1];

	for (uint32_t i = 0; i < count; i++) {
		const struct wire_symbol *symbol = &link->symbols[i];

		if (symbol->address <= address && (!best || symbol->address >= best->address))
			best = symbol;
	}
	if (!best || address - link->text_address >= link->text_bytes) {
		snprintf(buf, size, "0x%llx", (unsigned long long)address);
		return buf;
	}
	copy_name(best->name, sizeof(best->name), name);
	snprintf(buf, size, "%s+0x%llx", name, (unsigned long long)(address - best->address));
	return buf;
}

/* The buffer whose pages, or the inaccessible ones beside them, hold the address. */
static bool describe_buffer(const struct run *run, uint64_t address, char *buf, size_t size)
{
	const struct arena *arena = run->template->arena;

	for (unsigned i = 0; arena && i < arena->nbuffers * arena->nsets; i++) {
		const struct wire_buffer *buffer = &arena->buffers[i];
		const struct spec_buffer *spec = &run->bound.buffers[i % arena->nbuffers];
		uint64_t data = run->template->claim->buffer_address[i],
			 first = data - buffer->data_offset - PAGE;
		int64_t distance = (int64_t)(address - data), element;
		const char *what = "";

		if (!data || address - first >= buffer->map_bytes + 2 * PAGE)
			continue;
		element = distance < 0 ? -((-distance + (int64_t)spec->element_bytes - 1) /
					   (int64_t)spec->element_bytes)
				       : distance / (int64_t)spec->element_bytes;
		if (!buffer->writable && distance >= 0 && (uint64_t)distance < buffer->data_bytes)
			what = " (a write: it is read-only)";
		snprintf(buf, size, "buffer %s, element %+lld of %llu%s", spec->name,
			 (long long)element, (unsigned long long)spec->count, what);
		return true;
	}
	return false;
}

static const char *describe(const struct run *run, uint64_t address, char *buf, size_t size)
{
	const struct wire_link *link = run->template->link;
	char place[100];

	if (describe_buffer(run, address, buf, size))
		return buf;
	if (address < NULL_PAGES * PAGE)
		snprintf(buf, size, "null pointer, byte +%llu", (unsigned long long)address);
	else if (address - (link->stack_address - STACK_NEAR) < STACK_NEAR)
		snprintf(buf, size, "stack overflow: more than its %llu bytes",
			 (unsigned long long)link->stack_bytes);
	else if (address - link->stack_address < link->stack_bytes)
		snprintf(buf, size, "the stack");
	else if (address - link->arena_address < link->arena_bytes + PAGE)
		snprintf(buf, size, "the codelet's heap, byte +%llu of %llu",
			 (unsigned long long)(address - link->arena_address),
			 (unsigned long long)link->arena_bytes);
	else if (address - link->text_address < link->text_bytes)
		snprintf(buf, size, "a write to the code at %s",
			 kernel_place(run->template, address, place, sizeof(place)));
	else if (address - link->image_address < link->image_bytes)
		snprintf(buf, size, "the codelet's constants, byte +%llu of its image",
			 (unsigned long long)(address - link->image_address));
	else
		snprintf(buf, size, "unknown address 0x%llx", (unsigned long long)address);
	return buf;
}

static const char *signal_name(int number, char *buf, size_t size)
{
	const char *name = sigabbrev_np(number);

	if (name)
		snprintf(buf, size, "SIG%s", name);
	else
		snprintf(buf, size, "signal %d", number);
	return buf;
}

/* What the handler in the run has told; only the number of the signal is known from outside. */
static void tell_signal(const struct run *run, struct outcome *out, int number)
{
	const struct wire_claim *claim = run->template->claim;
	char name[32], place[100], what[200], import[sizeof(claim->fault_name) + 1];

	out->status = RUN_SIGNAL;
	signal_name(number, name, sizeof(name));
	kernel_place(run->template, claim->fault_ip, place, sizeof(place));
	if ((int)claim->fault_signal != number) {
		snprintf(out->cause, sizeof(out->cause), "%s", name);
	} else if (claim->fault_code == WIRE_FAULT_IMPORT) {
		copy_name(claim->fault_name, sizeof(claim->fault_name), import);
		snprintf(out->cause, sizeof(out->cause), "%s: it called %s, which ends a run", name,
			 import);
	} else if (number == SIGSEGV || number == SIGBUS) {
		bool is_known = claim->fault_code != SI_KERNEL;

		describe(run, claim->fault_address, what, sizeof(what));
		snprintf(out->cause, sizeof(out->cause), "%s at %s: %s", name, place,
			 is_known ? what : "an address that is not canonical, or not aligned");
	} else {
		snprintf(out->cause, sizeof(out->cause), "%s at %s", name, place);
	}
}

static void tell_syscall(const struct run *run, struct outcome *out)
{
	const struct launch_exit *how = &run->how;
	char place[100], name[64];
	const char *abi = how->syscall_arch == AUDIT_ARCH_I386                     ? " (32-bit)"
			  : how->syscall_nr >= 0 && (how->syscall_nr & 0x40000000) ? " (x32)"
										   : "";

	out->status = RUN_SYSCALL;
	snprintf(out->cause, sizeof(out->cause),
		 "%s%s, number %lld, at %s, arguments 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx",
		 launch_syscall_name(how->syscall_arch, how->syscall_nr, name, sizeof(name)), abi,
		 (long long)how->syscall_nr,
		 kernel_place(run->template, how->syscall_ip, place, sizeof(place)),
		 (unsigned long long)how->syscall_args[0], (unsigned long long)how->syscall_args[1],
		 (unsigned long long)how->syscall_args[2], (unsigned long long)how->syscall_args[3],
		 (unsigned long long)how->syscall_args[4],
		 (unsigned long long)how->syscall_args[5]);
}

/*
 * exit_group(2) is the one call that a run is allowed; without a completion record it is not an
 * end.
 */
static void tell_exit(const struct run *run, struct outcome *out)
{
	const struct wire_claim *claim = run->template->claim;

	if (claim->fault_signal && claim->fault_signal < 65) {
		tell_signal(run, out, (int)claim->fault_signal);
		return;
	}
	out->status = RUN_EXIT;
	snprintf(out->cause, sizeof(out->cause),
		 "the codelet ended its process with exit status %d before it was done",
		 run->how.status);
}

void kernel_fault(const struct run *run, struct outcome *out)
{
	const struct launch_exit *how = &run->how;
	bool is_done = run->template->claim->nonce == run->template->plan->nonce;

	switch (how->cause) {
	case LAUNCH_EXITED:
		if (how->status || !is_done)
			tell_exit(run, out);
		return;
	case LAUNCH_SIGNALED:
		tell_signal(run, out, how->status);
		return;
	case LAUNCH_SYSCALL:
		tell_syscall(run, out);
		return;
	case LAUNCH_TIMEOUT:
		out->status = RUN_TIMEOUT;
		snprintf(out->cause, sizeof(out->cause), "it ran longer than %u ms and was killed",
			 run->options.timeout_ms);
		return;
	case LAUNCH_OOM:
		out->status = RUN_OOM;
		snprintf(out->cause, sizeof(out->cause),
			 "it needed more than the %llu bytes of its jail",
			 (unsigned long long)run->wait.key.memory_bytes);
		return;
	case LAUNCH_KILLED:
		out->status = RUN_KILLED;
		snprintf(out->cause, sizeof(out->cause), "%s",
			 how->sentence[0] ? how->sentence : "it was killed on request");
		return;
	default:
		out->status = RUN_FAILED;
		snprintf(out->cause, sizeof(out->cause), "%s",
			 how->sentence[0] ? how->sentence : "the run could not begin");
	}
}
