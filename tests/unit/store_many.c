/* SPDX-License-Identifier: MIT */
/* The store with many names and many threads: what a codelet costs at rest, what is looked up, and races. */
/* deadline: 180 */
#include <malloc.h>

#include "store_fake.h"
#include "store_elf.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MANY	 1000
#else
#define MANY	 3000
#endif
#define THREADS	 4
#define ROUNDS	 60
#define AT_REST	 4096 /* bytes of memory per codelet, the fake tree included */

static char state[128];

static void many_names(void)
{
	static const char *const symbols[] = { "sdot", "saxpy", "sgemm", NULL };
	unsigned char bytes[ELF_ROOM];
	size_t before, after;
	uint64_t start;
	char name[32];
	int err;

	fake_state(state, sizeof(state));
	CHECK_INT(fake_begin(state), 0);
	before = mallinfo2().uordblks;
	for (uint32_t i = 0; i < MANY; i++) {
		size_t size = make_elf(bytes, symbols, NULL, i);

		snprintf(name, sizeof(name), "n%u.o", i);
		REQUIRE(fake_upload(name, bytes, size, 0644, &fake_alice) == 0);
	}
	after = mallinfo2().uordblks;
	if (after > before) {
		printf("# %zu bytes of memory per codelet\n", (after - before) / MANY);
		CHECK((after - before) / MANY < AT_REST);
	}
	start = fake_now_ns();
	for (int i = 0; i < 1000; i++) {
		struct codelet *c = store_find_export("saxpy", &fake_alice, &err);

		REQUIRE(c);
		store_put(c);
	}
	printf("# %llu ns to find one by its export\n", (unsigned long long)(fake_now_ns() - start) / 1000);
	CHECK((fake_now_ns() - start) / 1000 < 100000);
	fake_end();
	start = fake_now_ns();
	CHECK_INT(fake_begin(state), 0);
	printf("# %llu us per codelet at start\n", (unsigned long long)(fake_now_ns() - start) / 1000 / MANY);
	CHECK_INT(fake_size("n0.o"), fake_size("n1.o"));
	CHECK(fake_size("n0.o") > 0);
	fake_end();
	fake_wipe(state);
}

static void pick(char name[16], unsigned *seed)
{
	snprintf(name, 16, "r%d.o", rand_r(seed) % 4);
}

static void act(unsigned *seed, const struct sfs_cred *who)
{
	static const char *const a[] = { "sdot", NULL }, *const b[] = { "sdot", "x", NULL };
	const struct sfs_uploads *up = store_backend.type->uploads;
	unsigned char bytes[ELF_ROOM];
	char name[16], other[16], *text;
	struct codelet *c;
	int err;

	pick(name, seed);
	pick(other, seed);
	switch (rand_r(seed) % 7) {
	case 0:
	case 1:
		(void)fake_upload(name, bytes, make_elf(bytes, rand_r(seed) % 2 ? a : b, NULL, rand_r(seed) % 3), 0666, who);
		break;
	case 2:
		(void)up->remove(&fake_store, name, who);
		break;
	case 3:
		(void)up->rename(&fake_store, name, other, true, who);
		break;
	case 4:
		(void)up->set_owner(&fake_store, name, &(struct sfs_owner){ who->uid, who->gid, 0644 }, &fake_root);
		break;
	case 5:
		text = fake_show(name, rand_r(seed) % 2 ? "info" : "symbols");
		free(text);
		break;
	default:
		c = rand_r(seed) % 2 ? store_find(name, who, &err) : store_find_export("sdot", who, &err);
		if (!c)
			break;
		store_running(c, 1);
		int fd = store_open(c);

		CHECK(fd >= 0);
		if (fd >= 0)
			close(fd);
		store_running(c, -1);
		store_put(c);
	}
}

static void *worker(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++)
		act(&seed, seed % 3 ? &fake_alice : &fake_root);
	return NULL;
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void threads_race(void)
{
	pthread_t threads[THREADS];
	unsigned before;

	fake_state(state, sizeof(state));
	CHECK_INT(fake_begin(state), 0);
	before = open_fds();
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, worker, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* The last ones are closed after the answer. */
	for (int i = 0; i < 500 && open_fds() != before; i++)
		usleep(10000);
	CHECK_INT(open_fds(), before);
	/* Index, tree and disk tell the same. */
	for (int i = 0; i < 4; i++) {
		char name[16], got[ELF_ROOM], *info;
		ssize_t n;

		snprintf(name, sizeof(name), "r%d.o", i);
		n = fake_read(name, got, sizeof(got));
		info = fake_show(name, "info");
		CHECK(n == -ENOENT ? !info : n > 0 && info != NULL);
		free(info);
	}
	CHECK_STR(fake_status, "");
	fake_end();
	CHECK_INT(fake_zygotes, 0);
	CHECK_INT(fake_begin(state), 0);
	CHECK_STR(fake_status, "");
	fake_end();
	fake_wipe(state);
}

int main(void)
{
	RUN(many_names);
	RUN(threads_race);
	return check_done();
}
