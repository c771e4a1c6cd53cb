/* SPDX-License-Identifier: MIT */
/*
 * What a run provides to its codelet: an address for each name of elf_imports.def.
 *
 * The template calls imports_setup() and imports_allow() once, then imports_find() while it links.
 * The functions themselves run in runs, on the codelet's stack, under a filter that allows no
 * system call: they make none, have no locks, and their state is what fork(2) copied, so that each
 * run starts anew.
 */
#ifndef IMPORTS_H
#define IMPORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- memory: imports_heap.c ------------------------------------------------------------------ */

#define HEAP_CLASSES 176

/*
 * Blocks of classed sizes from one area, taken from its end first and from lists of freed ones
 * after. It never fails but by returning NULL (errno ENOMEM), or -EINVAL for a pointer that is no
 * block of it.
 */
struct heap {
	unsigned char *base; /* borrowed; 16-aligned */
	size_t bytes, used;
	void *freed[HEAP_CLASSES];
};

void heap_init(struct heap *heap, void *base, size_t bytes);
/* align: a power of two. *fresh_out (may be NULL): these bytes have never been handed out. */
void *heap_alloc(struct heap *heap, size_t align, size_t bytes, bool *fresh_out);
int heap_free(struct heap *heap, void *block);
/* Bytes that block has; 0: it is none. */
size_t heap_usable(const struct heap *heap, const void *block);

extern struct heap imports_heap; /* the run's: imports_memory.c */

/* ---- sorting, in place: imports_sort.c ------------------------------------------------------- */

typedef int sort_compare(const void *a, const void *b, void *arg);

/* An inconsistent compare gives some order, in bounded time, and touches nothing but the array. */
void sort_array(void *base, size_t count, size_t size, sort_compare *compare, void *arg);

/* ---- addresses: imports.c -------------------------------------------------------------------- */

#define IMPORTS_NEAR_BYTES 4096
#define IMPORTS_TRAPS      96 /* as many stubs has runner_stub.S */
#define IMPORTS_TRAP_NAME  64

/* near: IMPORTS_NEAR_BYTES writable bytes within reach of the image, for what codelets address as
 * data. */
void imports_setup(void *near_bytes, void *heap_base, size_t heap_bytes);
/* Notes the "name=trap" words of [limits] imports. 0, or -EINVAL/-E2BIG with a sentence. */
int imports_allow(const char *list, char *sentence, size_t size);
/* false: nothing provides name. */
bool imports_find(const char *name, uint64_t *address_out);
/* Is it the address of a provided function? */
bool imports_is_function(uint64_t address);
/* One of fn WIRE_CMP_*, 0 for others. */
uint64_t imports_builtin(uint32_t fn);

/* The codelet's one TLS block, for the models that ask at run time: __tls_get_addr and the resolver
 * of descriptors. */
void imports_tls(void *block);
void *import___tls_get_addr(const uint64_t index[2]);
void imports_tlsdesc(void);

/*
 * Ends the run because of a call of name that ends it; given by whoever links this. sp: the
 * codelet's stack pointer at the return address of that call, or NULL.
 */
_Noreturn void imports_ended(const char *name, const uint64_t *sp);
_Noreturn void imports_trapped(unsigned index, const uint64_t *sp);
/* The stack that a stub runs on, whatever the codelet's is like. */
extern uint64_t imports_trap_stack;

#endif
