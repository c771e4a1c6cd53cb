/* SPDX-License-Identifier: MIT */
/* Which codelet a run uses, and why another one cannot be used. */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "kernels.h"
#include "parse.h"

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#endif

/* Does the list "name,name=trap" allow the import? */
static bool allowed(const char *list, const char *name, size_t len)
{
	const char *end = list + strlen(list), *item;
	size_t size;

	while ((size = parse_word(&list, end, ", ", &item))) {
		const char *equals = memchr(item, '=', size);
		size_t bare = equals ? (size_t)(equals - item) : size;

		if (equals && bare == len && !memcmp(item, name, len))
			return true;
	}
	return false;
}

/*
 * Names of imports that nothing provides and no "=trap" stands for, as many as fit; how many there
 * are.
 */
static unsigned missing_imports(const struct run *run, char *out, size_t size)
{
	const char *text = sfs_blob_data(run->codelet->imports), *word;
	const char *end = text + sfs_blob_size(run->codelet->imports);
	unsigned count = 0;
	size_t used = 0;

	while (text < end) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));
		const char *p = text, *state;
		size_t len, state_len;

		line_end = line_end ? line_end : end;
		len = parse_word(&p, line_end, " ", &word);
		state_len = parse_word(&p, line_end, " ", &state);
		text = line_end + 1;
		if (!len || !parse_equal(state, state_len, "missing") ||
		    allowed(run->spec->defaults.imports, word, len))
			continue;
		if (count++ < 8 && used + len + 2 < size) {
			memcpy(out + used, " ", 1);
			memcpy(out + used + 1, word, len);
			used += len + 1;
		}
	}
	out[used] = 0;
	return count;
}

static int check_codelet(const struct run *run)
{
	const struct codelet *codelet = run->codelet;
	char names[300];
	unsigned count;

	if (codelet->elf_machine != MACHINE)
		return sfs_fail(-ENOEXEC, "codelet '%s' is for another machine than this one",
				codelet->name);
	if (codelet->elf_type == ET_EXEC)
		return sfs_fail(
			-ENOEXEC,
			"codelet '%s' is an executable: a kernel is a function of an object file",
			codelet->name);
	if (codelet->elf_type != ET_REL)
		return sfs_fail(-ENOEXEC,
				"codelet '%s' is a shared object: only relocatable objects run yet",
				codelet->name);
	if (!codelet->missing)
		return 0;
	count = missing_imports(run, names, sizeof(names));
	return count ? sfs_fail(-ENOEXEC, "codelet '%s' needs %u %s that nothing provides:%s",
				codelet->name, count, count == 1 ? "name" : "names", names)
		     : 0;
}

int kernel_choose_codelet(struct run *run, const char *chosen)
{
	const char *name = run->options.codelet[0] ? run->options.codelet : chosen;
	int rc = 0;

	if (strcmp(name, "auto"))
		run->codelet = store_find(name, &run->who, &rc);
	else
		run->codelet = store_find_export(run->options.function, &run->who, &rc);
	if (!run->codelet)
		return rc ? rc : -ENOENT;
	run->wait.codelet = run->codelet;
	memcpy(run->wait.key.sha256, run->codelet->sha256, sizeof(run->wait.key.sha256));
	return check_codelet(run);
}
