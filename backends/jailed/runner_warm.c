/* SPDX-License-Identifier: MIT */
/*
 * What a template does once so that each of its forks has fewer pages to fault in.
 */
#include "runner.h"

#include <linux/rseq.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A page of the text that holds nothing. */
__asm__(".pushsection .text.runner_spare, \"ax\", @progbits\n"
	".balign 4096\n"
	".globl runner_spare_page\n"
	"runner_spare_page:\n"
	".skip 4096, 0xcc\n"
	".popsection\n");
extern unsigned char runner_spare_page[];

/*
 * fork(2) copies no page tables of a file mapping unless part of it was ever written: then each run
 * begins with the text that it needs mapped. The page is never executable while it can be written.
 */
static void keep_text_mapped(void)
{
	volatile unsigned char *page = runner_spare_page;

	if (mprotect(runner_spare_page, RUNNER_PAGE, PROT_READ | PROT_WRITE) == 0)
		*page = 0xcc;
	(void)mprotect(runner_spare_page, RUNNER_PAGE, PROT_READ | PROT_EXEC);
}

/*
 * The kernel writes to it whenever a thread resumes, which copies a page after each fork, in both
 * processes.
 */
static void leave_rseq(void)
{
	if (__rseq_size)
		(void)syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset,
			      sizeof(struct rseq), RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

void runner_warm(void)
{
	leave_rseq();
	keep_text_mapped();
}
