/* SPDX-License-Identifier: MIT */
/*
 * WIRE_SETUP: from an object's bytes to an image that can be called, in one list of steps.
 */
#include "runner.h"

#include "imports.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#define HWCAP2_FSGSBASE_BIT 2
#define OVERHEAD_SAMPLES    31
#define OVERHEAD_BATCH_MAX  4096 /* longer ones are computed from this one */

enum setup_fd { FD_CODELET, FD_LINK, FD_PLAN, FD_CLAIM, FDS };

static void *map_shared(int fd, uint64_t bytes, int protection)
{
	void *at;

	if (helper_size(fd) < (int64_t)bytes)
		return NULL;
	at = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

static int map_files(const struct helper_order *order, struct elf_error *err)
{
	if (order->nfds != FDS)
		return runner_refuse(err, -EINVAL,
				     "a codelet is set up with %d descriptors, not %u", FDS,
				     order->nfds);
	runner.link = map_shared(order->fds[FD_LINK], WIRE_LINK_BYTES, PROT_READ | PROT_WRITE);
	runner.plan = map_shared(order->fds[FD_PLAN], WIRE_PLAN_BYTES, PROT_READ);
	runner.claim = map_shared(order->fds[FD_CLAIM], WIRE_CLAIM_BYTES, PROT_READ | PROT_WRITE);
	if (!runner.link || !runner.plan || !runner.claim)
		return runner_refuse(
			err, -EINVAL,
			"the pages shared with a run are too short, or the jail is too small");
	runner.file = helper_copy(order->fds[FD_CODELET], ELF_IMAGE_MAX, &runner.file_bytes);
	if (!runner.file)
		return runner_refuse(
			err, -ENOEXEC,
			"the codelet is empty, too large, or does not fit into the jail");
	return 0;
}

static int measure(struct elf_error *err)
{
	uint64_t bytes;
	int rc = elf_measure(runner.file, runner.file_bytes, &runner.layout, err);

	if (rc)
		return rc;
	if (runner.layout.tls_bytes > RUNNER_TLS_BYTES || runner.layout.tls_align > RUNNER_PAGE)
		return runner_refuse(err, -E2BIG,
				     "the codelet's thread-local storage exceeds %u bytes, or "
				     "pages in alignment",
				     RUNNER_TLS_BYTES);
	bytes = (runner.layout.scratch_bytes + RUNNER_PAGE) & ~(RUNNER_PAGE - 1);
	runner.scratch =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (runner.scratch == MAP_FAILED)
		return runner_refuse(err, -ENOMEM,
				     "linking needs %llu bytes, more than the jail has",
				     (unsigned long long)runner.layout.scratch_bytes);
	return 0;
}

static int set_imports(const struct wire_order *order, struct elf_error *err)
{
	char allow[sizeof(order->allow) + 1];

	memcpy(allow, order->allow, sizeof(order->allow));
	allow[sizeof(order->allow)] = '\0';
	imports_setup(runner.near_page, (void *)runner.arena, runner.arena_bytes);
	imports_tls(runner_tls_arena());
	return imports_allow(allow, err->text, sizeof(err->text));
}

static bool import(void *arg, const char *name, uint64_t *address_out)
{
	(void)arg;
	return imports_find(name, address_out);
}

static int link_image(struct elf_error *err)
{
	char *tls = runner_tls_arena();
	int rc;

	runner.place.thread_pointer = runner_frame.thread;
	runner.place.tls_address = (uint64_t)tls;
	runner.place.tls_get_addr = (uint64_t)import___tls_get_addr;
	runner.place.tlsdesc_resolver = (uint64_t)imports_tlsdesc;
	runner.place.import = import;
	rc = elf_link(runner.file, runner.file_bytes, &runner.layout, &runner.place,
		      (void *)runner.place.base, runner.scratch, &runner.linked, err);
	if (!rc)
		memcpy(tls, (char *)runner.place.base + runner.layout.tls_offset,
		       runner.layout.tls_file_bytes);
	return rc;
}

/* What the assembly needs to know, before anything is called. */
static void prepare_frame(void)
{
	unsigned a, b, c, d;

	__asm__("movq %%fs:0, %0" : "=r"(runner_frame.thread));
	__builtin_cpu_init();
	runner_frame.has_avx = __builtin_cpu_supports("avx") != 0;
	runner_frame.has_fsgsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT) != 0;
	runner_frame.mxcsr = 0x1f80;
	for (unsigned i = 0; i < sizeof(runner_frame.canaries) / sizeof(runner_frame.canaries[0]);
	     i++)
		runner_frame.canaries[i] = 0x5af3107a4000c0de + i;
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		runner_run.has_clflushopt = b >> 23 & 1;
}

/* The figures that a run uses which does not measure its own. */
static void measure_overheads(void)
{
	uint64_t scratch[OVERHEAD_SAMPLES];

	runner_load_args(&(struct runner_args){ 0 });
	for (unsigned mode = WIRE_THROUGHPUT; mode <= WIRE_LATENCY; mode++) {
		uint64_t *known = runner.overheads[mode];

		runner_frame.latency = mode == WIRE_LATENCY;
		for (unsigned i = 0; i < WIRE_OVERHEADS; i++) {
			uint64_t batch = 1ull << i;

			if (batch <= OVERHEAD_BATCH_MAX)
				known[i] = runner_overhead(batch, batch > 64 ? 3 : OVERHEAD_SAMPLES,
							   scratch);
			else
				known[i] = 2 * known[i - 1];
		}
	}
}

static int note_symbol(void *arg, const char *name, uint64_t address, uint64_t bytes)
{
	struct wire_link *link = arg;
	struct wire_symbol *symbol = &link->symbols[link->count++];

	symbol->address = address;
	symbol->size = bytes > UINT32_MAX ? UINT32_MAX : bytes;
	elf_escape(name, strnlen(name, 4096), symbol->name, sizeof(symbol->name));
	return link->count == WIRE_SYMBOLS_MAX;
}

static int by_address(const void *a, const void *b, void *arg)
{
	const struct wire_symbol *x = a, *y = b;

	(void)arg;
	return (x->address > y->address) - (x->address < y->address);
}

/* Tells the daemon what stands where, so that it can name what an address belongs to. */
static void publish(void)
{
	struct wire_link *link = runner.link;

	link->count = 0;
	link->inits = runner.linked.ninits;
	link->image_address = runner.place.base;
	link->image_bytes = runner.layout.image_bytes;
	link->text_address = runner.place.base + runner.layout.segments[ELF_TEXT].offset;
	link->text_bytes = runner.layout.segments[ELF_TEXT].bytes;
	link->arena_address = runner.arena;
	link->arena_bytes = runner.arena_bytes;
	link->stack_address = runner.stack;
	link->stack_bytes = runner.stack_bytes;
	memcpy(link->overheads, runner.overheads, sizeof(link->overheads));
	elf_functions(runner.file, runner.file_bytes, &runner.layout, runner.place.base,
		      runner.scratch, note_symbol, link);
	sort_array(link->symbols, link->count, sizeof(link->symbols[0]), by_address, NULL);
	munmap(link, WIRE_LINK_BYTES);
	runner.link = NULL;
}

int runner_setup(struct helper_order *order, struct elf_error *err)
{
	int rc = map_files(order, err);

	prepare_frame();
	rc = rc ?: measure(err);
	rc = rc ?: runner_place_image(err);
	rc = rc ?: runner_place_memory(order->order.arena_bytes, order->order.stack_bytes, err);
	rc = rc ?: set_imports(&order->order, err);
	rc = rc ?: link_image(err);
	rc = rc ?: runner_protect(true, err);
	rc = rc ?: runner_ifuncs(err);
	rc = rc ?: runner_protect(false, err);
	rc = rc ?: runner_faults(err);
	if (rc)
		return rc;
	measure_overheads();
	publish();
	return 0;
}
