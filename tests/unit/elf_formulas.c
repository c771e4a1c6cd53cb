/* SPDX-License-Identifier: MIT */
/*
 * What each relocation writes, in what order initialisers come, which names are found: hand-assembled corners.
 * single-threaded
 */
#include "elf_fixture.h"

static struct fixture fixture;

/* -1000: it does not assemble. */
static int link_text(const char *text, bool (*import)(void *, const char *, uint64_t *))
{
	size_t size = 0;
	void *file = fixture_compile("gcc", "", "text.s", text, &size);

	if (!file)
		return -1000;
	return fixture_link(&fixture, file, size, import);
}

static uint64_t data(unsigned i)
{
	uint64_t value;

	memcpy(&value, fixture.image + fixture.layout.segments[ELF_DATA].offset + 8 * (uint64_t)i, sizeof(value));
	return value;
}

/* ---- formulas ---------------------------------------------------------------------------------- */

/* Words of the data that the linker itself fills, and the one under test. */
enum { S, P, GOT, PLACE };

static const char frame[] = ".text\n.globl f\nf: ret\n.globl target\n.type target, @function\ntarget: ret\n.size target, 77\n"
			    ".globl small\nsmall = 0x12\n.globl medium\nmedium = 0x1234\n.globl big\nbig = 0x123456789\n"
			    ".globl minus\nminus = -1\n.globl byte\nbyte = 0x1ff\n"
			    ".section .tdata,\"awT\",@progbits\n.zero 24\n.globl t\n.type t, @object\nt: .quad 7\n.size t, 8\n"
			    ".data\n.quad target, place, _GLOBAL_OFFSET_TABLE_\nplace: .zero 16\n"
			    ".reloc place, R_X86_64_%s, %s\n";

enum wanted { ABS, PC, GOTOFF, GOTPC, SLOT, SLOT_PC, SIZE, CONSTANT, TPOFF, DTPOFF, REFUSED };

static const struct row {
	const char *type, *symbol;
	enum wanted wanted;
	unsigned width;
	int64_t addend; /* or what is written */
} rows[] = {
	{ "64", "target+5", ABS, 8, 5 },
	{ "PC64", "target-3", PC, 8, -3 },
	{ "PC32", "target+4", PC, 4, 4 },
	{ "PLT32", "target", PC, 4, 0 },
	{ "PC16", "target", PC, 2, 0 },
	{ "PC8", "place+5", CONSTANT, 1, 5 },
	{ "PC8", "place-128", CONSTANT, 1, -128 },
	{ "PC8", "place+128", REFUSED, 1, 0 },
	{ "PC8", "target", REFUSED, 1, 0 },
	{ "32", "target+1", ABS, 4, 1 },
	{ "32S", "target", ABS, 4, 0 },
	{ "32", "big", REFUSED, 4, 0 },
	{ "32S", "big", REFUSED, 4, 0 },
	{ "32", "minus", REFUSED, 4, 0 },
	{ "32S", "minus", CONSTANT, 4, -1 },
	{ "16", "medium", CONSTANT, 2, 0x1234 },
	{ "16", "medium+0xf000", REFUSED, 2, 0 },
	{ "8", "small", CONSTANT, 1, 0x12 },
	{ "8", "minus", CONSTANT, 1, -1 },
	{ "8", "byte", REFUSED, 1, 0 },
	{ "GOTOFF64", "target", GOTOFF, 8, 0 },
	{ "PLTOFF64", "target", GOTOFF, 8, 0 },
	{ "GOTPC64", "target+2", GOTPC, 8, 2 },
	{ "GOTPC32", "target", GOTPC, 4, 0 },
	{ "GOT64", "target", SLOT, 8, 0 },
	{ "GOTPLT64", "target", SLOT, 8, 0 },
	{ "GOT32", "target", SLOT, 4, 0 },
	{ "GOTPCREL64", "target", SLOT_PC, 8, 0 },
	{ "GOTPCREL", "target", SLOT_PC, 4, 0 },
	{ "GOTPCRELX", "target", SLOT_PC, 4, 0 },
	{ "REX_GOTPCRELX", "target", SLOT_PC, 4, 0 },
	{ "SIZE32", "target+1", SIZE, 4, 1 },
	{ "SIZE64", "target", SIZE, 8, 0 },
	{ "TPOFF64", "t", TPOFF, 8, 0 },
	{ "TPOFF32", "t+2", TPOFF, 4, 2 },
	{ "DTPOFF64", "t", DTPOFF, 8, 0 },
	{ "DTPOFF32", "t+1", DTPOFF, 4, 1 },
	{ "NONE", "target", CONSTANT, 8, 0 },
	{ "TPOFF64", "target", REFUSED, 8, 0 },
	{ "64", "t", REFUSED, 8, 0 },
	{ "COPY", "target", REFUSED, 8, 0 },
	{ "RELATIVE", "target", REFUSED, 8, 0 },
	{ "IRELATIVE", "target", REFUSED, 8, 0 },
};

static uint64_t masked(uint64_t value, unsigned width)
{
	return width == 8 ? value : value & ((1ull << 8 * width) - 1);
}

static int64_t extended(uint64_t value, unsigned width)
{
	return width == 8 ? (int64_t)value : (int64_t)(int32_t)value;
}

static uint64_t thread_pointer(void)
{
	uint64_t value;

	__asm__("mov %%fs:0, %0" : "=r"(value));
	return value;
}

/* The assembler makes GOTPC64 of that word. */
static uint64_t got(void)
{
	return data(GOT) + fixture.base + fixture.layout.segments[ELF_DATA].offset + 8 * GOT;
}

/* A slot must hold the address of target, wherever it is. */
static bool slot_ok(const struct row *row, uint64_t start)
{
	uint64_t at = start + (uint64_t)extended(data(PLACE), row->width) - fixture.base;
	uint64_t value;

	if (at > fixture.layout.image_bytes - 8)
		return false;
	memcpy(&value, fixture.image + at, sizeof(value));
	return value == data(S);
}

static void check_row(const struct row *row)
{
	uint64_t addend = (uint64_t)row->addend;
	uint64_t value = 0;

	switch (row->wanted) {
	case ABS:
		value = data(S) + addend;
		break;
	case PC:
		value = data(S) + addend - data(P);
		break;
	case GOTOFF:
		value = data(S) + addend - got();
		break;
	case GOTPC:
		value = got() + addend - data(P);
		break;
	case SIZE:
		value = 77 + addend;
		break;
	case TPOFF:
		value = (uint64_t)(uintptr_t)fixture_tls + 24 + addend - thread_pointer();
		break;
	case DTPOFF:
		value = 24 + addend;
		break;
	case SLOT:
		CHECK_MSG(slot_ok(row, got()), "%s: no slot holds the address", row->type);
		return;
	case SLOT_PC:
		CHECK_MSG(slot_ok(row, data(P)), "%s: no slot holds the address", row->type);
		return;
	default:
		value = addend;
		break;
	}
	CHECK_MSG(data(PLACE) == masked(value, row->width), "%s to %s wrote 0x%llx instead of 0x%llx", row->type, row->symbol,
		  (unsigned long long)data(PLACE), (unsigned long long)masked(value, row->width));
}

static void every_type_writes_its_formula(void)
{
	char text[2048];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc;

		snprintf(text, sizeof(text), frame, rows[i].type, rows[i].symbol);
		rc = link_text(text, fixture_import);
		if (rows[i].wanted == REFUSED) {
			CHECK_MSG(rc == -ENOEXEC && strlen(fixture.err.text) > 20, "%s to %s is not refused but gives %d %s",
				  rows[i].type, rows[i].symbol, rc, fixture.err.text);
		} else {
			CHECK_MSG(rc == 0, "%s to %s: %d %s", rows[i].type, rows[i].symbol, rc, fixture.err.text);
			if (rc == 0)
				check_row(&rows[i]);
		}
		fixture_close(&fixture);
	}
}

static void refusals_name_type_symbol_and_section(void)
{
	char text[2048];

	snprintf(text, sizeof(text), frame, "8", "target");
	CHECK_INT(link_text(text, fixture_import), -ENOEXEC);
	CHECK_HAS(fixture.err.text, "R_X86_64_8 to 'target' at .data+0x18");
	CHECK_HAS(fixture.err.text, "does not fit");
	fixture_close(&fixture);
	CHECK_INT(link_text(".text\nf: .long 0\n.reloc 1, R_X86_64_PC32, f\n", fixture_import), -ENOEXEC);
	CHECK_HAS(fixture.err.text, "outside of its section");
	fixture_close(&fixture);
	CHECK_INT(link_text(".text\nf: .long 0\n.reloc 0, R_X86_64_PC32, f\n", fixture_import), 0);
	fixture_close(&fixture);
	CHECK_INT(link_text(".section .both,\"awx\"\nf: ret\n", fixture_import), -ENOEXEC);
	CHECK_HAS(fixture.err.text, "writable and executable");
	fixture_close(&fixture);
}

/* ---- symbols ----------------------------------------------------------------------------------- */

static bool nothing(void *arg, const char *name, uint64_t *address_out)
{
	(void)arg;
	(void)name;
	(void)address_out;
	return false;
}

static bool far_away(void *arg, const char *name, uint64_t *address_out)
{
	(void)arg;
	*address_out = 0x7f00deadb000ull;
	return strncmp(name, "far", 3) == 0;
}

static void missing_names_are_all_named(void)
{
	char text[4096] = ".text\nf: ret\n.data\n.weak maybe\n.quad maybe\n";
	size_t used = strlen(text);

	CHECK_INT(link_text(".data\n.weak maybe\n.quad maybe, one, two, one, three\n", nothing), -ENOENT);
	CHECK_STR(fixture.err.text, "nothing provides one, two, three");
	fixture_close(&fixture);
	CHECK_INT(link_text(text, nothing), 0);
	CHECK_INT(data(0), 0);
	fixture_close(&fixture);
	for (int i = 0; i < 60; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, ".quad name_number_%d\n", i);
	CHECK_INT(link_text(text, nothing), -ENOENT);
	CHECK_HAS(fixture.err.text, "name_number_0, name_number_1");
	CHECK_HAS(fixture.err.text, " more");
	fixture_close(&fixture);
	CHECK_INT(link_text(".text\n.globl unused\nf: ret\n", nothing), 0); /* nobody refers to it */
	fixture_close(&fixture);
}

static void far_imports_are_reached_by_stubs(void)
{
	static const unsigned char stub[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25 };
	int32_t distance, slot;
	uint64_t at, value;

	REQUIRE(link_text(".globl f\n.text\nf: call far1\n jmp far1\n mov $far2, %eax\n.data\n.quad far1\n", far_away) == 0);
	memcpy(&distance, fixture.image + 1, sizeof(distance));
	at = (uint64_t)(5 + distance);
	REQUIRE(at + 16 <= fixture.layout.segments[ELF_TEXT].bytes);
	CHECK_MEM(fixture.image + at, stub, sizeof(stub));
	memcpy(&slot, fixture.image + at + 6, sizeof(slot));
	at += 10 + (uint64_t)slot;
	CHECK(at - fixture.layout.segments[ELF_RODATA].offset < fixture.layout.segments[ELF_RODATA].bytes);
	memcpy(&value, fixture.image + at, sizeof(value));
	CHECK(value == 0x7f00deadb000ull);
	CHECK(data(0) == 0x7f00deadb000ull);
	fixture_close(&fixture);
}

static void common_and_alignment(void)
{
	REQUIRE(link_text(".comm a,100,64\n.comm b,8,32768\n.data\n.quad a, b\n", nothing) == 0);
	CHECK_INT(fixture.layout.align, 32768);
	CHECK_INT((data(0) - fixture.base) % 64, 0);
	CHECK_INT((data(1) - fixture.base) % 32768, 0);
	CHECK(data(1) + 8 - fixture.base <= fixture.layout.image_bytes);
	fixture_close(&fixture);
}

static void segments_are_apart_and_within(void)
{
	uint64_t end = 0;

	REQUIRE(link_text(".text\nf: call f\n.section .rodata\n.zero 5000\n.data\n.quad f\n.bss\n.zero 70000\n", nothing) == 0);
	for (int i = 0; i < ELF_SEGMENTS; i++) {
		CHECK_INT(fixture.layout.segments[i].offset, end);
		CHECK_INT(fixture.layout.segments[i].bytes % 4096, 0);
		end += fixture.layout.segments[i].bytes;
	}
	CHECK_INT(fixture.layout.segments[ELF_RODATA].bytes, 8192);
	CHECK_INT(fixture.layout.image_bytes, end);
	fixture_close(&fixture);
}

/* ---- initialisers ------------------------------------------------------------------------------ */

static void initialisers_come_in_order(void)
{
	static const char text[] =
		".text\nf0: nop\nf1: nop\nf2: nop\nf3: nop\nf4: nop\nf5: nop\nf6: nop\nf7: nop\n"
		".section .ctors,\"aw\"\n.quad f7, f6\n"
		".section .init_array,\"aw\",@init_array\n.quad f4, f5\n"
		".section .ctors.65000,\"aw\"\n.quad -1, f3, 0\n" /* as priority 535 */
		".section .init_array.00200,\"aw\",@init_array\n.quad f2\n"
		".section .init_array.101,\"aw\",@init_array\n.quad f1\n"
		".section .preinit_array,\"aw\",@preinit_array\n.quad f0\n"
		".section .fini_array,\"aw\",@fini_array\n.quad f0\n";

	REQUIRE(link_text(text, nothing) == 0);
	REQUIRE(fixture.linked.ninits == 8);
	/* .ctors stands first in the file, and so among those without a number. */
	static const unsigned order[] = { 0, 1, 2, 3, 6, 7, 4, 5 };

	for (unsigned i = 0; i < 8; i++)
		CHECK_INT(fixture.linked.inits[i] - fixture.base, order[i]);
	fixture_close(&fixture);
	CHECK_INT(link_text(".data\nx: .quad 0\n.section .init_array,\"aw\",@init_array\n.quad x\n", nothing), -ENOEXEC);
	CHECK_HAS(fixture.err.text, "is not in the text");
	fixture_close(&fixture);
	CHECK_INT(link_text(".text\nf: ret\n.section .init_array,\"aw\",@init_array\n.rept 257\n.quad f\n.endr\n", nothing),
		  -E2BIG);
	fixture_close(&fixture);
}

/* ---- functions --------------------------------------------------------------------------------- */

static int count_function(void *arg, const char *name, uint64_t address, uint64_t bytes)
{
	(void)address;
	(void)bytes;
	CHECK(*name != '\0');
	++*(unsigned *)arg;
	return 0;
}

static void functions_are_found(void)
{
	unsigned count = 0;

	REQUIRE(link_text(".text\nlocal: nop\n.globl only\n.type only, @function\nonly: ret\n.globl label\nlabel: nop\n"
			  ".globl alias\n.type alias, @function\nalias = only\n.data\n.globl thing\nthing: .quad 1\n",
			  nothing) == 0);
	CHECK(fixture_function(&fixture, "*") == (void *)(uintptr_t)(fixture.base + 1));
	CHECK(fixture_function(&fixture, "label") == (void *)(uintptr_t)(fixture.base + 2));
	CHECK(fixture_function(&fixture, "local") == (void *)(uintptr_t)fixture.base);
	CHECK(fixture_function(&fixture, "thing") == NULL);
	CHECK_HAS(fixture.err.text, "there is no function 'thing'");
	CHECK_HAS(fixture.err.text, "functions: only alias");
	CHECK_INT(elf_functions(fixture.file, fixture.size, &fixture.layout, fixture.base, fixture.scratch, count_function, &count),
		  0);
	CHECK_INT(count, 3);
	fixture_close(&fixture);
	REQUIRE(link_text(".text\n.globl a, b\n.type a, @function\n.type b, @function\na: nop\nb: nop\n", nothing) == 0);
	CHECK(fixture_function(&fixture, "*") == NULL);
	CHECK_HAS(fixture.err.text, "more than one");
	fixture_close(&fixture);
	REQUIRE(link_text(".data\n.quad 1\n", nothing) == 0);
	CHECK(fixture_function(&fixture, "*") == NULL);
	CHECK_HAS(fixture.err.text, "no global function; functions: none");
	fixture_close(&fixture);
	REQUIRE(link_text(".text\n.globl nasm\nnasm: ret\n", nothing) == 0);
	CHECK(fixture_function(&fixture, "*") == (void *)(uintptr_t)fixture.base);
	fixture_close(&fixture);
}

int main(void)
{
	(void)fixture_path("");
	if (fixture_run("gcc --version") != 0) {
		printf("skip elf_formulas: gcc is not installed\n");
		return 0;
	}
	RUN(every_type_writes_its_formula);
	RUN(refusals_name_type_symbol_and_section);
	RUN(missing_names_are_all_named);
	RUN(far_imports_are_reached_by_stubs);
	RUN(common_and_alignment);
	RUN(segments_are_apart_and_within);
	RUN(initialisers_come_in_order);
	RUN(functions_are_found);
	fixture_clean();
	return check_done();
}
