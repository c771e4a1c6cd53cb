/* SPDX-License-Identifier: MIT */
/*
 * The least that a FUSE file system can be: one file "file" with fixed bytes, direct_io, one thread. The measure for reads.
 *
 * minimal_fuse MOUNTPOINT BYTES: stays in the foreground until it is unmounted.
 */
#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char bytes[65536];
static size_t size;

static void fill(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0444;
	st->st_nlink = 1;
	st->st_size = ino == FUSE_ROOT_ID ? 0 : (off_t)size;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .ino = 2, .attr_timeout = 1, .entry_timeout = 1 };

	if (parent != FUSE_ROOT_ID || strcmp(name, "file")) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill(2, &e.attr);
	fuse_reply_entry(req, &e);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	fill(ino, &st);
	fuse_reply_attr(req, &st, 1);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t want, off_t off, struct fuse_file_info *fi)
{
	size_t at = (size_t)off < size ? (size_t)off : size;

	(void)ino;
	(void)fi;
	fuse_reply_buf(req, bytes + at, want < size - at ? want : size - at);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = op_lookup,
	.getattr = op_getattr,
	.open = op_open,
	.read = op_read,
};

int main(int argc, char **argv)
{
	struct fuse_args args = { 0 };
	struct fuse_session *session;
	int err;

	size = argc == 3 ? (size_t)atoi(argv[2]) : 0;
	if (!size || size > sizeof(bytes)) {
		fprintf(stderr, "minimal_fuse MOUNTPOINT BYTES\n");
		return 2;
	}
	memset(bytes, 'x', size);
	fuse_opt_add_arg(&args, "minimal_fuse");
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!session || fuse_set_signal_handlers(session) || fuse_session_mount(session, argv[1]))
		return 1;
	err = fuse_session_loop(session);
	fuse_session_unmount(session);
	fuse_remove_signal_handlers(session);
	fuse_session_destroy(session);
	fuse_opt_free_args(&args);
	return err ? 1 : 0;
}
