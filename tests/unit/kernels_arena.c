/* SPDX-License-Identifier: MIT */
/* Buffers in their memfd: where data stands for each guard, that poison is found out, that a second run finds the first one's inputs. */
#include <stdlib.h>

#include "check.h"
#include "kernels.h"

static const char text[] = "[kernel]\nname = k\nfunction = f\nreturns = void\n[param.n]\ntype = u64\ndefault = 112\n"
			   "[buffer.after]\ntype = f32\ncount = n\naccess = rw\ninit = uniform(-1, 1)\nguard = after\n"
			   "[buffer.before]\ntype = f32\ncount = n\naccess = w\ninit = zero\nguard = before\n"
			   "[buffer.none]\ntype = u8\ncount = n\nalign = 64\noffset = 3\naccess = rw\ninit = iota(1, 1)\n"
			   "[buffer.reset]\ntype = u64\ncount = n\naccess = rw\ninit = const(7)\nreset = 1\nguard = both\n"
			   "[buffer.constant]\ntype = f64\ncount = n\naccess = r\ninit = uniform(0, 1)\nguard = after\n"
			   "[buffer.nothing]\ntype = f64\ncount = 0\naccess = rw\ninit = zero\n"
			   "[call]\nargs = u64 n, ptr after, ptr before, ptr none, ptr reset, ptr constant, ptr nothing\n";

enum { AFTER, BEFORE, NONE, RESET, CONSTANT, NOTHING, BUFFERS };

struct fixture {
	struct spec *spec;
	struct spec_bound bound;
	struct arena *arena;
};

static bool set_up(struct fixture *f, unsigned nsets)
{
	struct spec_error err = { 0 };
	int rc;

	memset(f, 0, sizeof(*f));
	f->spec = spec_parse(text, sizeof(text) - 1, "k", &err);
	CHECK_MSG(f->spec, "%s", err.text);
	if (!f->spec || spec_bind(f->spec, NULL, 0, 1u << 30, &f->bound, &err))
		return false;
	f->arena = arena_new(&f->bound, nsets, &rc);
	return f->arena && !arena_fill(f->arena, &f->bound);
}

static void tear_down(struct fixture *f)
{
	arena_free(f->arena);
	if (f->bound.spec)
		spec_unbind(&f->bound);
	spec_free(f->spec);
}

static uint8_t *data(const struct fixture *f, unsigned i)
{
	return f->arena->map + f->arena->buffers[i].file_offset + f->arena->buffers[i].data_offset;
}

static void guards(void)
{
	struct fixture f;

	REQUIRE(set_up(&f, 1));
	const struct wire_buffer *b = f.arena->buffers;

	CHECK_INT(f.arena->nbuffers, BUFFERS);
	CHECK_INT(b[AFTER].data_offset + b[AFTER].data_bytes, b[AFTER].map_bytes);
	CHECK_INT(b[BEFORE].data_offset, 0);
	CHECK_INT(b[NONE].data_offset % 64, 3);
	CHECK(b[NONE].data_offset >= 64 && b[NONE].data_offset + b[NONE].data_bytes + 64 <= b[NONE].map_bytes);
	CHECK_INT(b[RESET].data_offset + b[RESET].data_bytes, b[RESET].map_bytes);
	CHECK(b[RESET].pristine_offset != UINT64_MAX && b[AFTER].pristine_offset == UINT64_MAX);
	CHECK_INT(b[CONSTANT].writable, 0);
	CHECK_INT(b[NOTHING].map_bytes, 0);
	for (unsigned i = 0; i < BUFFERS; i++) {
		CHECK_INT(b[i].file_offset % 4096, 0);
		CHECK(b[i].file_offset + b[i].map_bytes <= f.arena->bytes);
	}
	tear_down(&f);
}

static void pristine_copy_is_equal(void)
{
	struct fixture f;

	REQUIRE(set_up(&f, 2));
	const struct wire_buffer *b = &f.arena->buffers[RESET];

	CHECK_MEM(f.arena->map + b->pristine_offset, f.arena->map + b->file_offset, b->map_bytes);
	CHECK(f.arena->buffers[BUFFERS + RESET].pristine_offset == UINT64_MAX);
	tear_down(&f);
}

static void sets_differ_where_random(void)
{
	struct fixture f;

	REQUIRE(set_up(&f, 2));
	CHECK(memcmp(data(&f, AFTER), data(&f, BUFFERS + AFTER), 448));
	CHECK_MEM(data(&f, NONE), data(&f, BUFFERS + NONE), 112);
	tear_down(&f);
}

static void second_fill_restores(void)
{
	struct fixture f;
	uint8_t before[448];

	REQUIRE(set_up(&f, 1));
	memcpy(before, data(&f, AFTER), sizeof(before));
	memset(f.arena->map + f.arena->buffers[AFTER].file_offset, 0, f.arena->buffers[AFTER].map_bytes);
	CHECK_INT(arena_fill(f.arena, &f.bound), 0);
	CHECK_MEM(data(&f, AFTER), before, sizeof(before));
	tear_down(&f);
}

static void writes_beside_are_found(void)
{
	struct fixture f;
	char why[200] = "";

	REQUIRE(set_up(&f, 2));
	CHECK(!arena_overrun(f.arena, &f.bound, why, sizeof(why)));
	data(&f, BEFORE)[448] = 1;
	CHECK(arena_overrun(f.arena, &f.bound, why, sizeof(why)));
	CHECK_STR(why, "wrote outside of buffer before: byte +0 after its end");
	CHECK_INT(arena_fill(f.arena, &f.bound), 0);
	data(&f, BUFFERS + NONE)[-1] = 0;
	CHECK(arena_overrun(f.arena, &f.bound, why, sizeof(why)));
	CHECK_STR(why, "wrote outside of buffer none: byte -1 before its begin");
	CHECK_INT(arena_fill(f.arena, &f.bound), 0);
	CHECK(!arena_overrun(f.arena, &f.bound, why, sizeof(why)));
	data(&f, NONE)[111] = 0; /* inside */
	CHECK(!arena_overrun(f.arena, &f.bound, why, sizeof(why)));
	tear_down(&f);
}

static void bytes_needed(void)
{
	struct fixture f;

	REQUIRE(set_up(&f, 3));
	CHECK_INT(arena_bytes_needed(&f.bound, 3), f.arena->bytes);
	CHECK(arena_bytes_needed(&f.bound, 1) < f.arena->bytes);
	tear_down(&f);
}

int main(void)
{
	RUN(guards);
	RUN(pristine_copy_is_equal);
	RUN(sets_differ_where_random);
	RUN(second_fill_restores);
	RUN(writes_beside_are_found);
	RUN(bytes_needed);
	return check_done();
}
