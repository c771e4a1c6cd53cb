/* SPDX-License-Identifier: MIT */
/* The store's records, tables and map, alone. */
#include <stdlib.h>

#include "store_fake.h"
#include "store_map.h"
#include "store_record.h"
#include "store_table.h"

static const struct store_record sample = { .sha256 = { 1, 2, 0xfe }, .size = 25000, .uid = 1001, .gid = 100,
					    .mode = 0644, .loaded_at_ns = 1790000000123456789, .sequence = 42 };

static void a_record_comes_back(void)
{
	char text[RECORD_BYTES];
	size_t size = record_format(&sample, text);
	struct store_record back;

	memset(&back, 0, sizeof(back));
	CHECK_INT(record_parse(text, size, &back), 0);
	CHECK_MEM(back.sha256, sample.sha256, sizeof(back.sha256));
	CHECK_INT(back.size, sample.size);
	CHECK_INT(back.uid, sample.uid);
	CHECK_INT(back.gid, sample.gid);
	CHECK_INT(back.mode, sample.mode);
	CHECK_INT(back.loaded_at_ns, sample.loaded_at_ns);
	CHECK_INT(back.sequence, sample.sequence);
}

static void a_time_that_was_set_comes_back(void)
{
	struct store_record set = sample, back;
	char text[RECORD_BYTES];

	CHECK_INT(record_parse(text, record_format(&set, text), &back), 0);
	CHECK_INT(back.mtime_ns, 0);
	set.mtime_ns = 1000000000000000001;
	CHECK_INT(record_parse(text, record_format(&set, text), &back), 0);
	CHECK_INT(back.mtime_ns, set.mtime_ns);
	CHECK_INT(back.sequence, set.sequence);
}

static void every_changed_bit_shows(const struct store_record *record)
{
	char text[RECORD_BYTES];
	size_t size = record_format(record, text);
	struct store_record back;

	for (size_t i = 0; i < size * 8; i++) {
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
		/* The checksum's own digits may change their case. */
		if (record_parse(text, size, &back) == 0)
			CHECK_MSG(i / 8 > size - 66 && i % 8 == 5, "bit %zu", i);
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
	}
	for (size_t n = 0; n < size; n++)
		CHECK_INT(record_parse(text, n, &back), -EBADMSG);
	text[size] = '\n';
	CHECK_INT(record_parse(text, size + 1, &back), -EBADMSG);
}

static void every_changed_bit_of_a_record_shows(void)
{
	struct store_record set = sample;

	every_changed_bit_shows(&sample);
	set.mtime_ns = UINT64_MAX;
	every_changed_bit_shows(&set);
}

/* ---- tables ---------------------------------------------------------------------------------------- */

static int page_fd;
static struct wire_table *page;
static uint32_t page_end;

static void page_open(void)
{
	page_fd = memfd_create("table", MFD_CLOEXEC);
	CHECK_INT(ftruncate(page_fd, WIRE_TABLE_BYTES), 0);
	page = mmap(NULL, WIRE_TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
	page->done = 1;
	page_end = sizeof(*page);
}

static void page_put(enum wire_text which, const char *text, size_t bytes)
{
	page->texts[which].offset = page_end;
	page->texts[which].bytes = (uint32_t)bytes;
	memcpy((char *)page + page_end, text, bytes);
	page_end += (uint32_t)bytes;
}

static void page_close(void)
{
	munmap(page, WIRE_TABLE_BYTES);
	close(page_fd);
}

static void a_table_is_taken_and_kept(void)
{
	static const unsigned char codelet[32] = { 1 }, inspector[32] = { 2 }, other[32] = { 3 };
	struct store_table t, back;
	size_t size;
	void *data, *copy;

	page_open();
	page->type = 1;
	page->machine = 62;
	page->missing = 2;
	page_put(WIRE_EXPORTS, "sdot\nsaxpy\n... 3 more\n", 22);
	page_put(WIRE_SYMBOLS, "no newline", 10);
	page_put(WIRE_SPEC, "n\xc3\xa4me\t1", 7);
	REQUIRE(table_take(page_fd, &t) == 0);
	CHECK_INT(t.nexports, 2);
	CHECK_INT(t.missing, 2);
	CHECK_INT(t.texts[WIRE_SYMBOLS].bytes, 11);
	CHECK_MEM(t.texts[WIRE_SYMBOLS].text, "no newline\n", 11);
	CHECK_INT(t.texts[WIRE_SPEC].bytes, 7);
	REQUIRE(table_encode(&t, codelet, inspector, &data, &size) == 0);
	copy = malloc(size);
	memcpy(copy, data, size);
	CHECK_INT(table_decode(copy, size, codelet, inspector, &back), 0);
	CHECK_INT(back.nexports, 2);
	for (int i = 0; i < WIRE_TEXTS; i++) {
		CHECK_INT(back.texts[i].bytes, t.texts[i].bytes);
		CHECK_MEM(back.texts[i].text, t.texts[i].text, t.texts[i].bytes);
	}
	table_free(&back);
	copy = malloc(size);
	memcpy(copy, data, size);
	CHECK_INT(table_decode(copy, size, other, inspector, &back), -EBADMSG);
	copy = malloc(size);
	memcpy(copy, data, size);
	CHECK_INT(table_decode(copy, size, codelet, other, &back), -ESTALE);
	for (size_t i = 0; i < size; i++) {
		copy = malloc(size);
		memcpy(copy, data, size);
		((char *)copy)[i] ^= 4;
		CHECK_INT(table_decode(copy, size, codelet, inspector, &back), -EBADMSG);
		copy = malloc(i + 1);
		memcpy(copy, data, i);
		CHECK_INT(table_decode(copy, i, codelet, inspector, &back), -EBADMSG);
	}
	free(data);
	table_free(&t);
	page_close();
}

static void any_head_is_bounded(void)
{
	struct store_table t;
	uint64_t random = 88172645463325252;

	page_open();
	memset((char *)page + sizeof(*page), 0x9b, WIRE_TABLE_BYTES - sizeof(*page));
	for (int i = 0; i < 3000; i++) {
		uint32_t words[sizeof(*page) / 4];

		for (size_t w = 0; w < sizeof(words) / 4; w++) {
			random ^= random << 13, random ^= random >> 7, random ^= random << 17;
			words[w] = (uint32_t)(random % 4 ? random % 3000 : random >> 16);
		}
		memcpy(page, words, sizeof(*page));
		page->rc = random % 3 ? 0 : page->rc;
		page->done = random % 5 ? 1 : page->done;
		page->texts[WIRE_SPEC].bytes = 0;
		if (table_take(page_fd, &t))
			continue;
		for (int n = 0; n < WIRE_TEXTS; n++)
			for (size_t b = 0; b < t.texts[n].bytes; b++)
				if (t.texts[n].text[b] != '\n' && (t.texts[n].text[b] < ' ' || t.texts[n].text[b] > '~'))
					check_fail(__FILE__, __LINE__, "a byte came through");
		table_free(&t);
	}
	page_close();
}

static void a_specification_is_text(void)
{
	static const struct {
		const char *bytes;
		int rc;
	} cases[] = {
		{ "a = 1\n", 0 },	  { "\xe2\x82\xac\n", 0 },  { "\xf0\x9f\x98\x80\n", 0 }, { "\x1b[2J", -ENOEXEC },
		{ "\xc0\x80", -ENOEXEC }, { "\xed\xa0\x80", -ENOEXEC }, { "\xc2\x85", -ENOEXEC }, { "\xe2\x82", -ENOEXEC },
		{ "\xff", -ENOEXEC },	  { "\x7f", -ENOEXEC },	    { "\xf4\x90\x80\x80", -ENOEXEC }, { NULL, 0 },
	};
	struct store_table t;

	for (int i = 0; cases[i].bytes; i++) {
		int rc;

		page_open();
		page_put(WIRE_SPEC, cases[i].bytes, strlen(cases[i].bytes));
		rc = table_take(page_fd, &t);
		CHECK_MSG(rc == cases[i].rc, "case %d gives %d", i, rc);
		if (!rc)
			table_free(&t);
		page_close();
	}
}

/* ---- map ----------------------------------------------------------------------------------------------- */

struct item {
	struct map_node node;
	unsigned rank;
};

static int greater(const struct map_node *other, const void *arg)
{
	return ((const struct item *)other)->rank > ((const struct item *)arg)->rank;
}

static void a_map_keeps_order_while_it_grows(void)
{
	enum { N = 5000 };
	static struct item items[N];
	struct map map = { NULL, 0, 0 };
	struct map_node *node;
	unsigned last = N, seen = 0;

	for (unsigned i = 0; i < N; i++) {
		items[i].rank = i * 7919 % N;
		items[i].node.hash = i % 2 ? 7 : map_hash(&i, sizeof(i));
		REQUIRE(map_reserve(&map, 1) == 0);
		map_put(&map, &items[i].node, greater, &items[i]);
	}
	for (node = map_first(&map, 7); node; node = map_next(node), seen++) {
		CHECK(((struct item *)node)->rank < last);
		last = ((struct item *)node)->rank;
	}
	CHECK_INT(seen, N / 2);
	for (unsigned i = 0; i < N; i += 2) {
		CHECK(map_first(&map, items[i].node.hash) == &items[i].node);
		map_take(&map, &items[i].node);
		CHECK(!map_first(&map, items[i].node.hash));
	}
	CHECK_INT(map.count, N / 2);
	map_free(&map);
}

int main(void)
{
	RUN(a_record_comes_back);
	RUN(a_time_that_was_set_comes_back);
	RUN(every_changed_bit_of_a_record_shows);
	RUN(a_table_is_taken_and_kept);
	RUN(any_head_is_bounded);
	RUN(a_specification_is_text);
	RUN(a_map_keeps_order_while_it_grows);
	return check_done();
}
