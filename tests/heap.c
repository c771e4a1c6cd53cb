/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a daemon, it keeps in the file that SFS_HEAP names what each of its processes holds, to the byte, by the place
 * in the code that asked for it: the soak compares two such accounts. A head before each block says what was asked for, since
 * what an allocator gives for one wish depends on all that came before.
 *
 * A process that fork(3) made inherits blocks, and so the account of them. One that was made by clone(2) alone is about to
 * become another program: it has none.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROCESSES  64
#define PLACES     1024 /* a power of two */
#define OBJECT_MAX 32
#define UNCOUNTED  PLACES
#define MAGIC      0xa110cu
#define HEAD       sizeof(struct head)

/* What the C library calls its own; these names are part of its interface. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

/* As tests/soak.py reads it. */
struct place {
	atomic_uintptr_t caller; /* 0: nobody's yet */
	uint64_t offset;         /* of the caller in its object */
	atomic_llong live, bytes;
	char object[OBJECT_MAX];
};

struct process {
	atomic_llong pid;
	struct place places[PLACES];
};

/* As large as what malloc(3) aligns to. */
struct head {
	uint64_t size;
	uint32_t shift; /* from what the library gave to what the caller got */
	uint32_t place : 12, magic : 20;
};

static struct process *processes; /* NULL: no account is kept */
/* In a page that any child finds empty. */
static struct process **mine;
static struct place inherited[PLACES];

static struct process *take_process(void)
{
	struct process *process = processes;

	for (; process < processes + PROCESSES; process++) {
		long long pid = 0;

		if (atomic_compare_exchange_strong(&process->pid, &pid, getpid()) ||
		    pid == getpid())
			return process;
	}
	abort();
}

static void before_fork(void)
{
	if (*mine)
		memcpy(inherited, (*mine)->places, sizeof(inherited));
}

static void in_child(void)
{
	struct process *process = take_process();

	memcpy(process->places, inherited, sizeof(inherited));
	*mine = process;
}

__attribute__((constructor)) static void begin(void)
{
	const size_t bytes = PROCESSES * sizeof(*processes);
	const char *path = getenv("SFS_HEAP");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *page;

	if (fd < 0)
		return;
	page = mmap(NULL, sizeof(*mine), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	processes = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED || processes == MAP_FAILED ||
	    madvise(page, sizeof(*mine), MADV_WIPEONFORK) ||
	    pthread_atfork(before_fork, NULL, in_child))
		abort();
	mine = page;
	*mine = take_process();
	memset((*mine)->places, 0, sizeof((*mine)->places)); /* it was another program before */
}

/* ---- the account ----------------------------------------------------------------------------- */

static void name_place(struct place *place, const char *caller)
{
	Dl_info info;
	const char *name;

	if (!dladdr(caller, &info))
		return;
	name = strrchr(info.dli_fname, '/');
	strncpy(place->object, name ? name + 1 : info.dli_fname, OBJECT_MAX - 1);
	place->offset = (uint64_t)(caller - (const char *)info.dli_fbase);
}

/* UNCOUNTED where no account is kept. */
static uint32_t place_of(const void *caller)
{
	struct process *process = mine ? *mine : NULL;
	uint32_t at = (uint32_t)((uintptr_t)caller * 0x9e3779b97f4a7c15u >> 32) % PLACES, left;

	for (left = process ? PLACES : 0; left; left--, at = (at + 1) % PLACES) {
		uintptr_t there = 0;

		if (atomic_compare_exchange_strong(&process->places[at].caller, &there,
						   (uintptr_t)caller)) {
			name_place(&process->places[at], caller);
			return at;
		}
		if (there == (uintptr_t)caller)
			return at;
	}
	if (process)
		abort();
	return UNCOUNTED;
}

static void count(uint32_t place, int live, uint64_t bytes)
{
	if (place == UNCOUNTED || !*mine)
		return;
	atomic_fetch_add(&(*mine)->places[place].live, live);
	atomic_fetch_add(&(*mine)->places[place].bytes, bytes);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static size_t plus(size_t size, size_t more)
{
	return size > SIZE_MAX - more ? SIZE_MAX : size + more; /* which the library refuses */
}

static void *enter(char *raw, size_t shift, size_t size, const void *caller)
{
	struct head *head;

	if (!raw)
		return NULL;
	head = (struct head *)(raw + shift) - 1;
	*head = (struct head){
		.size = size, .shift = (uint32_t)shift, .place = place_of(caller), .magic = MAGIC
	};
	count(head->place, 1, size);
	return raw + shift;
}

/* NULL: a block from before this library was there. */
static struct head *head_of(void *block)
{
	struct head *head = (struct head *)block - 1;

	return block && head->magic == MAGIC ? head : NULL;
}

static void *aligned(size_t alignment, size_t size, const void *caller)
{
	size_t shift = alignment > HEAD ? alignment : HEAD;

	return enter(__libc_memalign(shift, plus(size, shift)), shift, size, caller);
}

void *malloc(size_t size)
{
	return enter(__libc_malloc(plus(size, HEAD)), HEAD, size, __builtin_return_address(0));
}

void *calloc(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		bytes = SIZE_MAX;
	return enter(__libc_calloc(1, plus(bytes, HEAD)), HEAD, bytes, __builtin_return_address(0));
}

void free(void *block)
{
	struct head *head = head_of(block);

	if (!head) {
		__libc_free(block);
		return;
	}
	count(head->place, -1, -head->size);
	head->magic = 0;
	__libc_free((char *)block - head->shift);
}

void *realloc(void *block, size_t size)
{
	const struct head *head = head_of(block);
	void *fresh;

	if (block && !head)
		return __libc_realloc(block, size);
	fresh = enter(__libc_malloc(plus(size, HEAD)), HEAD, size, __builtin_return_address(0));
	if (!fresh || !block)
		return fresh;
	memcpy(fresh, block, head->size < size ? head->size : size);
	free(block);
	return fresh;
}

void *memalign(size_t alignment, size_t size)
{
	return aligned(alignment, size, __builtin_return_address(0));
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return aligned(alignment, size, __builtin_return_address(0));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	void *block = aligned(alignment, size, __builtin_return_address(0));

	if (block)
		*out = block;
	return block ? 0 : ENOMEM;
}

size_t malloc_usable_size(void *block)
{
	const struct head *head = head_of(block);

	return head ? head->size : 0;
}
