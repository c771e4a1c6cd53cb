/* SPDX-License-Identifier: MIT */
/* The store from upload to codelet, with a core and a launcher of a few lines. */
#include "store_priv.h"
#include "store_state.h"

static void loads_and_shows(void)
{
	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	check_bytes("a.o", one, one_size);
	check_row("a.o", "info", "name a.o\n");
	check_row("a.o", "info", "type relocatable\nmachine x86-64\nowner 1001\n");
	check_row("a.o", "state", "loaded\n");
	check_row("a.o", "symbols", "sdot");
	check_row("a.o", "sections", ".text");
	check_row("a.o", "activity", "loads 1 ");
	check_files("objects", 1);
	check_files("tables", 1);
	check_files("names", 1);
	end();
}

static void replaces_and_removes(void)
{
	const struct sfs_uploads *up = store_backend.type->uploads;

	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	CHECK_INT(fake_upload("b.o", one, one_size, 0644, &fake_alice), 0);
	check_files("objects", 1);
	CHECK_INT(fake_upload("a.o", two, two_size, 0644, &fake_alice), 0);
	check_bytes("a.o", two, two_size);
	check_bytes("b.o", one, one_size);
	check_files("objects", 2);
	check_row("a.o", "symbols", "saxpy");
	CHECK_INT(up->remove(&fake_store, "b.o", &fake_bob), -EPERM);
	CHECK_INT(up->remove(&fake_store, "b.o", &fake_alice), 0);
	check_files("objects", 1);
	CHECK_INT(up->remove(&fake_store, "b.o", &fake_alice), -ENOENT);
	CHECK(!fake_show("b.o", "info"));
	CHECK_INT(fake_upload("b.o", one, one_size, 0644, &fake_bob), 0);
	CHECK_INT(up->remove(&fake_store, "a.o", &fake_root), 0);
	CHECK_INT(up->remove(&fake_store, "b.o", &fake_root), 0);
	check_files("objects", 0);
	check_files("tables", 0);
	check_files("names", 0);
	end();
}

static void renames(void)
{
	const struct sfs_uploads *up = store_backend.type->uploads;

	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	CHECK_INT(fake_upload("c.o", two, two_size, 0644, &fake_bob), 0);
	CHECK_INT(up->rename(&fake_store, "a.o", "c.o", true, &fake_alice), -EPERM);
	CHECK_INT(up->rename(&fake_store, "a.o", "c.o", false, &fake_root), -EEXIST);
	CHECK_INT(up->rename(&fake_store, "a.o", "b.o", false, &fake_bob), -EPERM);
	CHECK_INT(up->rename(&fake_store, "x.o", "b.o", false, &fake_bob), -ENOENT);
	CHECK_INT(up->rename(&fake_store, "a.o", "b.o", false, &fake_alice), 0);
	CHECK(!fake_show("a.o", "info"));
	check_row("b.o", "info", "name b.o\n");
	CHECK_INT(up->rename(&fake_store, "b.o", "c.o", true, &fake_root), 0);
	check_row("c.o", "info", "owner 1001\n");
	check_files("names", 1);
	check_files("objects", 1);
	/* The fake core renames nothing: from the disk all is told anew. */
	restart();
	check_bytes("c.o", one, one_size);
	CHECK_INT(fake_size("a.o"), -1);
	end();
}

static void check_refused(const void *bytes, size_t size, int err, const char *part)
{
	CHECK_INT(fake_upload("a.o", bytes, size, 0644, &fake_alice), err);
	CHECK_HAS(sfs_sentence(), part);
	CHECK_INT(fake_upload("new.o", bytes, size, 0644, &fake_alice), err);
	CHECK(!fake_show("new.o", "info"));
	CHECK_INT(fake_size("new.o"), -1);
	check_bytes("a.o", one, one_size);
	check_files("objects", 1);
	check_files("names", 1);
}

static void refuses(void)
{
	static char huge[2 << 20];

	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	check_refused("hello\n", 6, -ENOEXEC, "");
	check_refused("", 0, -ENOEXEC, "empty");
	check_refused(two, two_size - 100, -ENOEXEC, "");
	check_refused(huge, sizeof(huge), -ENOEXEC, ""); /* hashed on the store's thread */
	fake_config.store_max_bytes = 1 << 20;
	check_refused(huge, sizeof(huge), -EFBIG, "1048576");
	fake_config.store_max_bytes = 16 << 20;
	fake_config.store_max_codelets = 1;
	CHECK_INT(fake_upload("new.o", two, two_size, 0644, &fake_alice), -EDQUOT);
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	CHECK_INT(fake_upload("bobs.o", two, two_size, 0644, &fake_bob), 0);
	fake_config.store_max_codelets = 20000;
	fake_config.store_max_total_bytes = one_size + two_size - 1;
	CHECK_INT(fake_upload("new.o", two, two_size, 0644, &fake_alice), -EDQUOT);
	CHECK_INT(fake_upload("a.o", two, two_size, 0644, &fake_alice), 0);
	fake_config.store_max_total_bytes = 1 << 30;
	CHECK_INT(fake_upload("bad name", two, two_size, 0644, &fake_alice), -EINVAL);
	CHECK_INT(fake_upload("a@b", two, two_size, 0644, &fake_alice), -EINVAL);
	CHECK_INT(store_backend.type->make(&fake_store, "set", 0755, &fake_alice), -EOPNOTSUPP);
	end();
}

static void policy(void)
{
	char hex[65];
	struct codelet *c;
	int err;

	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_root), 0);
	c = store_find("a.o", &fake_root, &err);
	REQUIRE(c);
	memcpy(hex, c->sha256_hex, sizeof(hex));
	store_put(c);
	strcpy(fake_config.store_loaders, "1002,@1003");
	strcpy(fake_config.store_allow, hex);
	restart();
	CHECK_INT(fake_upload("b.o", one, one_size, 0644, &fake_alice), -EPERM);
	CHECK_INT(fake_upload("b.o", one, one_size, 0644, &fake_bob), 0);
	CHECK_INT(fake_upload("c.o", one, one_size, 0644, &(struct sfs_cred){ .uid = 7, .gid = 1003 }), 0);
	CHECK_INT(fake_upload("d.o", two, two_size, 0644, &fake_bob), -EKEYREJECTED);
	fake_end();
	strcpy(fake_config.store_loaders, "nobody-of-this-name");
	CHECK_INT(fake_begin(state), -EINVAL);
	CHECK_HAS(sfs_sentence(), "nobody-of-this-name");
	fake_end();
	fake_config.store_loaders[0] = '\0';
	strcpy(fake_config.store_allow, "12,34");
	CHECK_INT(fake_begin(state), -EINVAL);
	fake_config.store_allow[0] = '\0';
	end();
}

static void two_users(void)
{
	int err = 0;

	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0600, &fake_alice), 0);
	CHECK_INT(fake_upload("a.o", two, two_size, 0644, &fake_bob), -EACCES);
	CHECK(!store_find("a.o", &fake_bob, &err));
	CHECK_INT(err, -EACCES);
	CHECK(!store_find("none.o", &fake_bob, &err));
	CHECK_INT(err, -ENOENT);
	CHECK_INT(store_backend.type->uploads->set_owner(&fake_store, "a.o", &(struct sfs_owner){ 1001, 1001, 0666 }, &fake_root), 0);
	CHECK_INT(fake_upload("a.o", two, two_size, 0666, &fake_bob), 0);
	check_row("a.o", "info", "owner 1001\n");
	CHECK_INT(store_backend.type->uploads->set_owner(&fake_store, "a.o", &(struct sfs_owner){ 1002, 1002, 0666 }, &fake_bob),
		  -EPERM);
	CHECK_INT(store_backend.type->uploads->set_owner(&fake_store, "a.o", &(struct sfs_owner){ 1002, 1002, 0640 }, &fake_root), 0);
	restart();
	check_row("a.o", "info", "owner 1002\n");
	CHECK_INT(fake_dirs->mode, 0550);
	check_bytes("a.o", two, two_size);
	end();
}

static void finds_by_export(void)
{
	begin();
	CHECK_STR(found("sdot", &fake_alice), "none");
	CHECK_INT(fake_upload("r1.o", one, one_size, 0644, &fake_root), 0);
	CHECK_STR(found("sdot", &fake_alice), "r1.o");
	CHECK_STR(found("*", &fake_alice), "r1.o");
	CHECK_INT(fake_upload("a1.o", one, one_size, 0644, &fake_alice), 0);
	CHECK_INT(fake_upload("a2.o", two, two_size, 0644, &fake_alice), 0);
	CHECK_STR(found("sdot", &fake_alice), "a2.o");
	CHECK_STR(found("saxpy", &fake_alice), "a2.o");
	CHECK_STR(found("*", &fake_alice), "a1.o");
	CHECK_STR(found("sdot", &fake_bob), "r1.o");
	CHECK_STR(found("saxpy", &fake_bob), "none");
	CHECK_STR(found("sdot", &fake_root), "r1.o");
	CHECK_INT(fake_upload("r1.o", one, one_size, 0600, &fake_root), 0);
	CHECK_STR(found("sdot", &fake_bob), "none");
	CHECK_INT(fake_upload("a1.o", one, one_size, 0644, &fake_alice), 0);
	CHECK_STR(found("sdot", &fake_alice), "a1.o");
	restart();
	CHECK_STR(found("sdot", &fake_alice), "a1.o");
	CHECK_INT(store_backend.type->uploads->remove(&fake_store, "a1.o", &fake_alice), 0);
	CHECK_STR(found("sdot", &fake_alice), "a2.o");
	CHECK_INT(store_backend.type->uploads->set_owner(&fake_store, "a2.o", &(struct sfs_owner){ 1002, 1002, 0644 }, &fake_root), 0);
	CHECK_STR(found("saxpy", &fake_bob), "a2.o");
	CHECK_STR(found("saxpy", &fake_alice), "none");
	end();
}

static void check_open(struct codelet *c, const void *bytes, size_t size)
{
	char got[ELF_ROOM];
	int fd = store_open(c);

	REQUIRE(fd >= 0);
	CHECK_INT(pread(fd, got, sizeof(got), 0), size);
	CHECK_MEM(got, bytes, size);
	CHECK_INT(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE, F_SEAL_WRITE);
	close(fd);
}

static void what_is_held_stays(void)
{
	struct codelet *old, *gone;
	int err;

	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	old = store_find("a.o", &fake_alice, &err);
	CHECK_INT(fake_upload("a.o", two, two_size, 0644, &fake_alice), 0);
	gone = store_find("a.o", &fake_alice, &err);
	REQUIRE(old && gone);
	CHECK(old->sequence < gone->sequence);
	CHECK_INT(store_backend.type->uploads->remove(&fake_store, "a.o", &fake_alice), 0);
	check_files("objects", 2);
	check_open(old, one, one_size);
	check_open(gone, two, two_size);
	check_open(gone, two, two_size);
	store_put(store_get(old));
	store_put(old);
	check_files("objects", 1);
	store_put(gone);
	check_files("objects", 0);
	end();
}

/* Users come and go, and there can be as many as there are ids. */
static void who_has_nothing_costs_nothing(void)
{
	const struct sfs_uploads *up = store_backend.type->uploads;
	const struct sfs_cred charlie = { .uid = 1003, .gid = 1003 };

	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	CHECK_INT(fake_upload("b.o", one, one_size, 0644, &fake_bob), 0);
	CHECK_INT(fake_upload("c.o", two, two_size, 0644, &charlie), 0);
	CHECK_INT(store.nusage, 3);
	CHECK_INT(up->remove(&fake_store, "a.o", &fake_alice), 0);
	CHECK_INT(store.nusage, 2);
	CHECK_INT(fake_upload("d.o", "no ELF", 6, 0644, &fake_alice), -ENOEXEC);
	CHECK_INT(store.nusage, 2);
	/* Those who stay are still held to what they may have. */
	fake_config.store_max_codelets = 1;
	CHECK_INT(fake_upload("e.o", two, two_size, 0644, &charlie), -EDQUOT);
	CHECK_INT(fake_upload("e.o", two, two_size, 0644, &fake_bob), -EDQUOT);
	fake_config.store_max_codelets = 20000;
	CHECK_INT(up->set_owner(&fake_store, "c.o", &(struct sfs_owner){ 1002, 1002, 0644 }, &fake_root), 0);
	CHECK_INT(store.nusage, 1);
	CHECK_INT(up->remove(&fake_store, "b.o", &fake_bob), 0);
	CHECK_INT(up->remove(&fake_store, "c.o", &fake_bob), 0);
	CHECK_INT(store.nusage, 0);
	end();
}

static void running_and_unloading(void)
{
	struct codelet *c;
	int err;

	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	c = store_find("a.o", &fake_alice, &err);
	REQUIRE(c);
	store_running(c, 1);
	check_row("a.o", "state", "running\n");
	CHECK_INT(store_backend.type->uploads->rename(&fake_store, "a.o", "b.o", false, &fake_alice), 0);
	check_row("b.o", "state", "running\n");
	CHECK_INT(store_backend.type->uploads->remove(&fake_store, "b.o", &fake_alice), 0);
	check_row("b.o", "state", "unloading\n");
	CHECK(!store_find("b.o", &fake_alice, &err));
	CHECK_STR(found("sdot", &fake_alice), "none");
	store_running(c, -1);
	CHECK(!fake_show("b.o", "state"));
	/* A new load of the name takes the directory over. */
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	store_put(c);
	c = store_find("a.o", &fake_alice, &err);
	REQUIRE(c);
	store_running(c, 1);
	CHECK_INT(store_backend.type->uploads->remove(&fake_store, "a.o", &fake_alice), 0);
	CHECK_INT(fake_upload("a.o", two, two_size, 0644, &fake_bob), 0);
	check_row("a.o", "state", "loaded\n");
	check_row("a.o", "info", "owner 1002\n");
	store_running(c, -1);
	check_row("a.o", "state", "loaded\n");
	store_put(c);
	end();
}

int main(void)
{
	RUN(loads_and_shows);
	RUN(replaces_and_removes);
	RUN(renames);
	RUN(refuses);
	RUN(policy);
	RUN(two_users);
	RUN(finds_by_export);
	RUN(what_is_held_stays);
	RUN(who_has_nothing_costs_nothing);
	RUN(running_and_unloading);
	return check_done();
}
