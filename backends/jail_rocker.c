/* SPDX-License-Identifier: MIT */
/*
 * What is found out once, when the launcher starts: which rockers this machine can have.
 */
#include "jail_blank.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "landlock_rules.h"

#define TARGET_SIZE 16

/* Where /usr has been merged, programs are found by these; their targets are relative. */
static struct {
	const char *name;
	char target[TARGET_SIZE]; /* empty: no link into /usr here */
} usr_links[] = { { "bin", "" },   { "lib", "" },    { "lib32", "" },
		  { "lib64", "" }, { "libx32", "" }, { "sbin", "" } };

#define USR_LINKS (sizeof usr_links / sizeof *usr_links)

void blank_find_links(void)
{
	for (size_t i = 0; i < USR_LINKS; i++) {
		char path[TARGET_SIZE], target[TARGET_SIZE];

		(void)snprintf(path, sizeof path, "/%s", usr_links[i].name);
		ssize_t n = readlink(path, target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		const char *relative = target + (*target == '/');
		if (!strncmp(relative, "usr/", 4))
			(void)strcpy(usr_links[i].target, relative);
	}
}

static bool has_usr(const struct rocker_plan *plan)
{
	for (unsigned i = 0; i < plan->noverlays; i++)
		if (!strcmp(plan_text(plan, plan->overlays[i]), "/usr"))
			return true;
	for (unsigned i = 0; i < plan->nbinds; i++)
		if (!strcmp(plan_text(plan, plan->binds[i].inside), "/usr"))
			return true;
	return false;
}

/* What a plan has put there itself stays. */
int blank_link_usr(struct blank *b)
{
	if (!has_usr(&b->plan))
		return 0;
	for (size_t i = 0; i < USR_LINKS; i++)
		if (*usr_links[i].target &&
		    symlinkat(usr_links[i].target, b->root, usr_links[i].name) && errno != EEXIST)
			return -errno;
	return 0;
}

static int build_profiles(struct rocker_env *env)
{
	unsigned n = seccomp_profile_count();
	int err = 0;

	env->profiles = calloc(n ?: 1, sizeof *env->profiles);
	if (!env->profiles)
		return -ENOMEM;
	for (; env->nprofiles < n && !err; env->nprofiles++)
		err = seccomp_profile_build(env->nprofiles, &env->profiles[env->nprofiles]);
	return err;
}

/* Debian has them as a module, and an opener that waits for it may wait too long. */
static void load_loops(void)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control >= 0)
		(void)close(control);
}

int rocker_env_start(struct rocker_env *env, const struct jail_env *jail,
		     const struct jail_helper *guard, const char *allowed_images)
{
	int abi = 0;

	*env = (struct rocker_env){
		.jail = jail, .guard = -1, .landlock = -1, .allowed_images = allowed_images ?: ""
	};
	int ruleset = jail_landlock_ruleset(&abi);
	if (ruleset >= 0) {
		(void)close(ruleset);
		env->landlock = abi;
		env->scopes = abi >= LANDLOCK_WITH_SCOPES;
	}
	env->times = !faccessat(jail->proc, "self/ns/time", F_OK, AT_SYMLINK_NOFOLLOW);
	env->kernel_images = jail->root && (image_known("squashfs") || image_known("erofs"));
	if (env->kernel_images)
		load_loops();
	blank_find_links();
	env->guard = jail_seal_helper(guard);
	return env->guard < -1 ? env->guard : build_profiles(env);
}

/* ---- for lm_machine -------------------------------------------------------------------------- */

/*
 * An ordinary user's overlay marks its directories with user.* attributes, which a tmpfs has since Linux
 * 6.6. Without them a directory that was removed cannot be made again, unless a data_dir has them.
 */
static const char *overlays_word(const struct rocker_env *env)
{
	if (!image_known("overlay"))
		return "no";
	if (env->jail->root)
		return "yes";
	int fd = memfd_create("attribute", MFD_CLOEXEC);
	bool marks = fd >= 0 && !fsetxattr(fd, "user.sandboxfs", "", 0, 0);
	(void)close(fd);
	return marks ? "by userxattr" : "by userxattr, which tmpfs has not";
}

struct lines {
	char *text;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void add(struct lines *l, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(l->text + l->len, l->size - l->len, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < l->size - l->len)
		l->len += (size_t)n;
	else
		l->size = l->len + 1; /* half a line is none, and no other comes in its place */
	l->text[l->len] = '\0';
}

static const char *kernel_images_word(const struct rocker_env *env)
{
	bool squashfs = env->kernel_images && image_known("squashfs");

	if (env->kernel_images && image_known("erofs"))
		return squashfs ? "squashfs erofs " : "erofs ";
	return squashfs ? "squashfs " : "";
}

static const char *served_images_word(const struct rocker_env *env)
{
	if (!image_server_here())
		return env->kernel_images ? "(squashfuse is not installed)"
					  : "none (squashfuse is not installed)";
	if (access("/dev/fuse", R_OK | W_OK))
		return env->kernel_images ? "(/dev/fuse cannot be opened)"
					  : "none (/dev/fuse cannot be opened)";
	return "squashfuse";
}

size_t rocker_facts(const struct rocker_env *env, char *text, size_t size)
{
	struct lines l = { text, size, strnlen(text, size) };
	size_t begin = l.len;

	if (!size || begin >= size)
		return 0;
	add(&l, "rocker_guard %s\n", env->guard >= 0 ? "yes" : "not built in");
	add(&l, "rocker_images %s%s\n", kernel_images_word(env), served_images_word(env));
	add(&l, "rocker_overlays %s\n",
	    overlays_word(env));
	add(&l, "rocker_landlock %s\n",
	    env->scopes          ? "devices sockets signals"
	    : env->landlock >= 2 ? "devices"
				 : "no");
	add(&l, "rocker_time %s\n", env->times ? "yes" : "no");
	add(&l, "rocker_ids %s\n", env->jail->root ? "two" : "one");
	add(&l, "rocker_profiles");
	for (unsigned i = 0; i < env->nprofiles; i++)
		add(&l, " %s", seccomp_profile_name(i));
	add(&l, "\n");
	return l.len - begin;
}
