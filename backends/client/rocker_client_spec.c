/* SPDX-License-Identifier: MIT */
/*
 * A request as the specification that sandboxfs reads.
 *
 * What ROCKER's server refused is refused here, before anything has been made. Its two directories were
 * made by the server, with root's rights and for anybody; here the caller makes them with his own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rocker_client.h"

#define OVERLAYS 16

/* No control characters: a newline would begin another key. */
static ROCKER_ERR check_path(const char *what, const char *path)
{
	size_t len;

	if (!path || !*path)
		return client_fail(ROCKER_ERR_build_rocker_failed, "%s is missing", what);
	if (path[0] != '/')
		return client_fail(ROCKER_ERR_build_rocker_failed, "%s '%.80s' does not begin with a slash", what, path);
	len = strnlen(path, PATH_MAX);
	if (len == PATH_MAX)
		return client_fail(ROCKER_ERR_build_rocker_failed, "%s is too long", what);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)path[i] < ' ' || path[i] == 0x7f)
			return client_fail(ROCKER_ERR_build_rocker_failed, "%s holds a control character", what);
	return ROCKER_ERR_success;
}

static ROCKER_ERR check(const RockerRequest *req)
{
	struct stat st;
	ROCKER_ERR err;

	if (req->app_id <= 0 || req->uid < 0 || req->gid < 0)
		return client_fail(ROCKER_ERR_build_rocker_failed, "app_id must be above 0, uid and gid must not be below 0");
	err = check_path("app_pkg_path", req->app_pkg_path);
	err = err ?: check_path("app_exec_dir", req->app_exec_dir);
	err = err ?: check_path("app_data_dir", req->app_data_dir);
	for (int i = 0; i < OVERLAYS && !err; i++)
		if (req->app_overlay_dirs[i] && *req->app_overlay_dirs[i])
			err = check_path("app_overlay_dirs", req->app_overlay_dirs[i]);
	if (err)
		return err;
	if (stat(req->app_pkg_path, &st))
		return client_fail(ROCKER_ERR_build_rocker_failed, "%.200s: %s", req->app_pkg_path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return client_fail(ROCKER_ERR_build_rocker_failed, "%.200s is not a regular file", req->app_pkg_path);
	return ROCKER_ERR_success;
}

/* As mkdir -p does. */
static ROCKER_ERR make_directories(const char *path)
{
	char part[PATH_MAX];
	struct stat st;

	strcpy(part, path);
	for (char *p = part + 1;; p++) {
		if (*p && *p != '/')
			continue;
		char was = *p;

		*p = '\0';
		if (stat(part, &st) && mkdir(part, 0755) && errno != EEXIST)
			return client_fail(ROCKER_ERR_build_rocker_failed, "%.200s: %s", part, strerror(errno));
		*p = was;
		if (!was)
			break;
	}
	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return client_fail(ROCKER_ERR_build_rocker_failed, "%.200s is not a directory", path);
	return ROCKER_ERR_success;
}

/* As a shell would: in single quotes, which end, stand there behind a backslash, and begin anew for one in it. */
static void put_word(FILE *f, const char *word)
{
	fputc('\'', f);
	for (; *word; word++)
		if (*word == '\'')
			fputs("'\\''", f);
		else
			fputc(*word, f);
	fputc('\'', f);
}

static void put_request(FILE *f, const RockerRequest *req)
{
	fprintf(f, "[rocker]\napp_id = %d\nuid = %d\ngid = %d\npackage = ", req->app_id, req->uid, req->gid);
	put_word(f, req->app_pkg_path);
	fputs("\nexec_dir = ", f);
	put_word(f, req->app_exec_dir);
	fputs("\ndata_dir = ", f);
	put_word(f, req->app_data_dir);
	fputs("\nleave_empty = 1\n", f);
	for (int i = 0, first = 1; i < OVERLAYS; i++)
		if (req->app_overlay_dirs[i] && *req->app_overlay_dirs[i]) {
			fputs(first ? "overlays = " : " ", f);
			put_word(f, req->app_overlay_dirs[i]);
			first = 0;
		}
	fputc('\n', f);
}

ROCKER_ERR client_spec(const RockerRequest *req, char **text_out)
{
	ROCKER_ERR err = check(req);
	char *text = NULL;
	size_t size;
	FILE *f;

	err = err ?: make_directories(req->app_exec_dir);
	err = err ?: make_directories(req->app_data_dir);
	if (err)
		return err;
	f = open_memstream(&text, &size);
	if (!f)
		return client_fail(ROCKER_ERR_sys, "no memory for the specification");
	put_request(f, req);
	if (fclose(f)) {
		free(text);
		return client_fail(ROCKER_ERR_sys, "no memory for the specification");
	}
	*text_out = text;
	return ROCKER_ERR_success;
}
