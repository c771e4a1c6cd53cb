/* SPDX-License-Identifier: MIT */
/* The program that the guard's tests run as a job, compiled by gcc on the spot. */
#ifndef GUARD_PROGRAM_H
#define GUARD_PROGRAM_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Its sources are part of this program, wherever the tree may be when it runs. */
__asm__(".section .rodata\n"
	"program_job:\n	.incbin \"tests/unit/guard_job.c.inc\"\n	.byte 0\n"
	"program_sys_h:\n	.incbin \"backends/jailed/guard_sys.h\"\n	.byte 0\n"
	"program_sys_c:\n	.incbin \"backends/jailed/guard_sys.c\"\n	.byte 0\n"
	".previous\n");
extern const char program_job[], program_sys_h[], program_sys_c[];

static char program_folder[] = "/tmp/guard_jobs.XXXXXX";
static char program[64], program_path[64]; /* and PATH=... to it */

static inline bool program_write(const char *name, const char *text)
{
	char path[96];

	snprintf(path, sizeof path, "%s/%s", program_folder, name);
	FILE *file = fopen(path, "w");
	bool fine = file && fputs(text, file) >= 0;
	return file && !fclose(file) && fine;
}

static inline bool program_make(void)
{
	char command[256];

	if (!mkdtemp(program_folder) || chmod(program_folder, 0755))
		return false;
	snprintf(program, sizeof program, "%s/job", program_folder);
	snprintf(program_path, sizeof program_path, "PATH=%s", program_folder);
	snprintf(command, sizeof command,
		 "cd %s && gcc -D_GNU_SOURCE -w -O1 -fno-stack-protector -nostdlib -nostartfiles "
		 "-static -o job job.c guard_sys.c",
		 program_folder);
	return program_write("job.c", program_job) && program_write("guard_sys.h", program_sys_h) &&
	       program_write("guard_sys.c", program_sys_c) &&
	       program_write("guard_own.h", "_Noreturn void guard_main(long *stack);\n") &&
	       system(command) == 0;
}

static inline void program_remove(void)
{
	char command[96];

	snprintf(command, sizeof command, "rm -rf %s", program_folder);
	if (system(command))
		printf("# %s stays\n", program_folder);
}

#endif
