/* SPDX-License-Identifier: MIT */
/*
 * Compiles a profile to a filter: a balanced tree over ranges of numbers that fare alike.
 *
 * Neighbours that fare alike are one range, so that some three hundred calls are about a hundred ranges and
 * each is found by seven comparisons. The tree compares and does no arithmetic: such filters the kernel can
 * evaluate in advance (Linux 5.11), and then an allowed call costs no instruction at all. Code is laid
 * down from its end, where jumps lead: every target is known, and returns are shared as far as a jump
 * reaches.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "seccomp_profile_own.h"

#define JUMP_MAX   250 /* a conditional jump leads 255 instructions forward */
#define X32_BEGINS 0x40000000u
#define ARGUMENT(n)                                                                                \
	(offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t)) /* its lower half */

#if defined __x86_64__
#define ARCH_HERE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCH_HERE AUDIT_ARCH_AARCH64
#else
#error "no filters for this machine"
#endif

struct range {
	uint32_t begin;
	int class; /* enum profile_class; PROFILE_WHEN: of the call begin alone */
};

/* Instructions are counted from the last one, which is number 1; 0 is none. */
struct builder {
	const struct profile *profile;
	unsigned used;
	unsigned returns[PROFILE_WHEN]; /* the nearest one of each class */
	bool full;
	unsigned nranges;
	struct range ranges[PROFILE_CALLS + 2];
	struct sock_filter code[BPF_MAXINSNS];
};

static unsigned put(struct builder *b, uint16_t code, uint32_t k)
{
	if (b->used == BPF_MAXINSNS) {
		b->full = true;
		return b->used;
	}
	b->code[BPF_MAXINSNS - ++b->used] = (struct sock_filter){ code, 0, 0, k };
	return b->used;
}

/* Near enough for the next instruction to jump to. */
static unsigned near(struct builder *b, unsigned target)
{
	if (b->used - target <= JUMP_MAX)
		return target;
	return put(b, BPF_JMP | BPF_JA, b->used - target);
}

static unsigned put_jump(struct builder *b, uint16_t test, uint32_t k, unsigned yes, unsigned no)
{
	yes = near(b, yes);
	no = near(b, no);
	unsigned at = put(b, BPF_JMP | test | BPF_K, k);
	b->code[BPF_MAXINSNS - at].jt = (uint8_t)(at - 1 - yes);
	b->code[BPF_MAXINSNS - at].jf = (uint8_t)(at - 1 - no);
	return at;
}

static unsigned put_return(struct builder *b, int class)
{
	uint32_t action = class == PROFILE_ALLOW    ? SECCOMP_RET_ALLOW
			  : class == PROFILE_ABSENT ? SECCOMP_RET_ERRNO | ENOSYS
						    : SECCOMP_RET_USER_NOTIF;

	if (!b->returns[class] || b->used - b->returns[class] > JUMP_MAX - 2)
		b->returns[class] = put(b, BPF_RET | BPF_K, action);
	return b->returns[class];
}

static unsigned put_condition(struct builder *b, const struct profile_condition *c, unsigned yes,
			      unsigned no)
{
	put_jump(b, BPF_JEQ, c->value, c->differs ? no : yes, c->differs ? yes : no);
	if (c->mask != UINT32_MAX)
		put(b, BPF_ALU | BPF_AND | BPF_K, c->mask);
	return put(b, BPF_LD | BPF_W | BPF_ABS, (uint32_t)ARGUMENT(c->argument));
}

/* The lines of one call, from the last to the first: each is asked if the one before fails. */
static unsigned put_lines(struct builder *b, int nr)
{
	unsigned start = put_return(b, PROFILE_REFUSE);

	for (unsigned i = b->profile->nlines; i--;) {
		const struct profile_line *line = &b->profile->lines[i];
		if (line->nr != nr)
			continue;
		unsigned fails = start;
		start = put_return(b, PROFILE_ALLOW);
		for (unsigned n = line->n; n--;)
			start = put_condition(b, &line->conditions[n], start, fails);
	}
	return start;
}

static unsigned put_tree(struct builder *b, unsigned first, unsigned count)
{
	const struct range *range = &b->ranges[first];
	unsigned half = count / 2;

	if (count == 1)
		return range->class == PROFILE_WHEN ? put_lines(b, (int)range->begin)
						    : put_return(b, range->class);
	unsigned right = put_tree(b, first + half, count - half);
	unsigned left = put_tree(b, first, half);
	return put_jump(b, BPF_JGE, b->ranges[first + half].begin, right, left);
}

static void add_range(struct builder *b, uint32_t begin, int class)
{
	if (b->nranges && b->ranges[b->nranges - 1].class == class && class != PROFILE_WHEN)
		return;
	b->ranges[b->nranges++] = (struct range){ begin, class };
}

int profile_compile(const struct profile *profile, struct sock_fprog *out)
{
	struct builder *b = calloc(1, sizeof *b);
	struct sock_filter *code = NULL;

	if (!b)
		return -ENOMEM;
	b->profile = profile;
	for (uint32_t nr = 0; nr < PROFILE_CALLS; nr++)
		add_range(b, nr, profile->classes[nr]);
	add_range(b, PROFILE_CALLS, PROFILE_ABSENT);
	add_range(b, X32_BEGINS, PROFILE_REFUSE);
	unsigned tree = put_tree(b, 0, b->nranges);
	if (tree != b->used) /* a single range */
		put(b, BPF_JMP | BPF_JA, b->used - tree);
	tree = put(b, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	put_jump(b, BPF_JEQ, ARCH_HERE, tree, put_return(b, PROFILE_REFUSE));
	put(b, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	int err = b->full ? -E2BIG : 0;
	if (!err && !(code = malloc(b->used * sizeof *code)))
		err = -ENOMEM;
	if (!err) {
		memcpy(code, b->code + BPF_MAXINSNS - b->used, b->used * sizeof *code);
		*out = (struct sock_fprog){ (unsigned short)b->used, code };
	}
	free(b);
	return err;
}
