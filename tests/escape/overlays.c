/* SPDX-License-Identifier: MIT */
/* Attempts on overlays: what is written, and the marks by which the layers know each other. */
#include "attempt.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

static const char *over(void)
{
	return option("over", "/etc");
}

static void in_overlay(char path[4096], const char *name)
{
	snprintf(path, 4096, "%s/%s-%d", over(), name, getpid());
}

/* The lower file must not change: the harness looks at it from outside. */
static int shadow(void)
{
	return try_open("/etc/shadow", O_RDONLY);
}

static int whiteout(void)
{
	char path[4096];

	in_overlay(path, "whiteout");
	return tried(mknod(path, S_IFCHR, makedev(0, 0)));
}

static int marked(const char *mark, const char *value)
{
	return tried(setxattr(over(), mark, value, strlen(value), 0));
}

static int trusted_redirect(void)
{
	return marked("trusted.overlay.redirect", "/root");
}

static int trusted_opaque(void)
{
	return marked("trusted.overlay.opaque", "y");
}

static int trusted_metacopy(void)
{
	return marked("trusted.overlay.metacopy", "");
}

/* Even where such a mark can be set, it leads nowhere. */
static int user_redirect(void)
{
	char path[4096], below[4200];
	const char *secret = option("secret", "/etc/shadow");

	in_overlay(path, "user");
	mkdir(path, 0700);
	setxattr(path, "user.overlay.redirect", "/", 1, 0);
	setxattr(path, "user.overlay.origin", "/", 1, 0);
	snprintf(below, sizeof(below), "%s%s", path, secret);
	return try_secret(AT_FDCWD, below);
}

static int store_there(void)
{
	return try_open("/.staging", O_RDONLY | O_DIRECTORY);
}

/* The writable layer is not to be reached from beside. */
static int upper_write(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "/data/.workdir____%s/work", over() + 1);
	return try_open(path, O_RDONLY | O_DIRECTORY);
}

const struct attempt overlay_attempts[] = {
	{ "overlay_shadow", EACCES, 0, 0, 0, shadow, "/etc/shadow through an overlay" },
	{ "whiteout", EPERM, 0, 0, 0, whiteout, "a whiteout made by hand" },
	{ "trusted_redirect", EPERM, 0, 0, 0, trusted_redirect, "trusted.overlay.redirect" },
	{ "trusted_opaque", EPERM, 0, 0, 0, trusted_opaque, "trusted.overlay.opaque" },
	{ "trusted_metacopy", EPERM, 0, 0, 0, trusted_metacopy, "trusted.overlay.metacopy" },
	{ "user_redirect", ENOENT, 0, A_CANNOT, 0, user_redirect, "user.overlay.redirect" },
	{ "staging", ENOENT, 0, A_CANNOT, 0, store_there, "where layers were staged" },
	{ "overlay_work", EACCES, 0, A_APART, 0, upper_write, "the overlay's own work directory" },
	{ 0 },
};
