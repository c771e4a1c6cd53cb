/* SPDX-License-Identifier: MIT */
/*
 * The least that a FUSE file system can be, direct_io, one thread: what the kernel and libfuse cost,
 * with the permissions that sandboxfs asks the kernel to check.
 *
 * minimal_fuse MOUNTPOINT BYTES [ENTRIES]: stays in the foreground until it is unmounted. There are
 * "file" with BYTES fixed bytes; "live", the same but never cached; the folder "many" with so many
 * ENTRIES; and whatever is made at the top, one at a time and of no content.
 */
#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum ino { FILE_INO = 2, LIVE_INO, MANY_INO, MADE_FILE_INO, MADE_DIR_INO, ENTRY_INO };

static char bytes[65536];
static size_t size;
static unsigned entries;
static char made_file[64], made_dir[64]; /* their names; empty: not there */

static bool is_dir(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID || ino == MANY_INO || ino == MADE_DIR_INO;
}

static void fill(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_mode = is_dir(ino) ? S_IFDIR | 0755 : S_IFREG | 0644;
	st->st_nlink = 1;
	st->st_size = ino == FILE_INO || ino == LIVE_INO ? (off_t)size : 0;
}

static fuse_ino_t find(fuse_ino_t parent, const char *name)
{
	if (parent == MANY_INO)
		return ENTRY_INO + (fuse_ino_t)atoi(name + 1);
	if (parent != FUSE_ROOT_ID)
		return 0;
	if (!strcmp(name, "file"))
		return FILE_INO;
	if (!strcmp(name, "live"))
		return LIVE_INO;
	if (!strcmp(name, "many"))
		return MANY_INO;
	if (!strcmp(name, made_file))
		return MADE_FILE_INO;
	return strcmp(name, made_dir) ? 0 : MADE_DIR_INO;
}

static struct fuse_entry_param entry_of(fuse_ino_t ino)
{
	double timeout = ino == LIVE_INO ? 0 : 1;
	struct fuse_entry_param e = { .ino = ino,
				      .attr_timeout = timeout,
				      .entry_timeout = timeout };

	fill(ino, &e.attr);
	return e;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fuse_ino_t ino = find(parent, name);
	struct fuse_entry_param e = entry_of(ino);

	if (ino)
		fuse_reply_entry(req, &e);
	else
		fuse_reply_err(req, ENOENT);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	fill(ino, &st);
	fuse_reply_attr(req, &st, ino == LIVE_INO ? 0 : 1);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int valid,
		       struct fuse_file_info *fi)
{
	(void)attr, (void)valid;
	op_getattr(req, ino, fi);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t want, off_t off,
		    struct fuse_file_info *fi)
{
	size_t at = (size_t)off < size ? (size_t)off : size;

	(void)ino, (void)fi;
	fuse_reply_buf(req, bytes + at, want < size - at ? want : size - at);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t n, off_t off,
		     struct fuse_file_info *fi)
{
	(void)ino, (void)data, (void)off, (void)fi;
	fuse_reply_write(req, n);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	struct fuse_entry_param e = entry_of(MADE_FILE_INO);

	(void)parent, (void)mode;
	snprintf(made_file, sizeof(made_file), "%s", name);
	fi->direct_io = 1;
	fuse_reply_create(req, &e, fi);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fuse_entry_param e = entry_of(MADE_DIR_INO);

	(void)parent, (void)mode;
	snprintf(made_dir, sizeof(made_dir), "%s", name);
	fuse_reply_entry(req, &e);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent, (void)name;
	made_file[0] = '\0';
	fuse_reply_err(req, 0);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent, (void)name;
	made_dir[0] = '\0';
	fuse_reply_err(req, 0);
}

/* One entry with its attributes, which the kernel asks for when it sees that they are used. */
static size_t add(fuse_req_t req, char *out, size_t room, unsigned i, bool plus)
{
	struct fuse_entry_param e = entry_of(ENTRY_INO + i);
	char name[32];

	snprintf(name, sizeof(name), "n%05u.o", i);
	if (plus)
		return fuse_add_direntry_plus(req, out, room, name, &e, (off_t)i + 1);
	return fuse_add_direntry(req, out, room, name, &e.attr, (off_t)i + 1);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t want, off_t off, bool plus)
{
	static char out[128 << 10];
	unsigned n = ino == MANY_INO ? entries : 0, i;
	size_t used = 0, more;

	want = want < sizeof(out) ? want : sizeof(out);
	for (i = (unsigned)off; i < n; i++, used += more) {
		more = add(req, out + used, want - used, i, plus);
		if (more > want - used)
			break;
	}
	fuse_reply_buf(req, out, used);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t want, off_t off,
		       struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, want, off, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t want, off_t off,
			   struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, want, off, true);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.create = op_create,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
};

static int serve(const char *point)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session;
	int err;

	fuse_opt_add_arg(&args, "minimal_fuse");
	if (!geteuid()) /* the kernel checks modes, as it does for us: that costs requests */
		fuse_opt_add_arg(&args, "-oallow_other,default_permissions");
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!session || fuse_set_signal_handlers(session) || fuse_session_mount(session, point))
		return 1;
	err = fuse_session_loop(session);
	fuse_session_unmount(session);
	fuse_remove_signal_handlers(session);
	fuse_session_destroy(session);
	fuse_opt_free_args(&args);
	return err ? 1 : 0;
}

int main(int argc, char **argv)
{
	size = argc >= 3 ? (size_t)atoi(argv[2]) : 0;
	entries = argc >= 4 ? (unsigned)atoi(argv[3]) : 0;
	if (!size || size > sizeof(bytes)) {
		fprintf(stderr, "minimal_fuse MOUNTPOINT BYTES [ENTRIES]\n");
		return 2;
	}
	memset(bytes, 'x', size);
	return serve(argv[1]);
}
