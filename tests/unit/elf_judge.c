/* SPDX-License-Identifier: MIT */
/*
 * The inspector's judgement: what it lists of objects, shared objects and executables, and what it refuses.
 * single-threaded
 */
#include "elf_fixture.h"
#include "jailed/wire.h"

static struct wire_table *table;

static const char source[] =
	"extern double sin(double); extern int nowhere(int), perhaps(int) __attribute__((weak)), unused(int);\n"
	"extern int missing(int); static int local(int x) { return x; } int shared_data = 3;\n"
	"__attribute__((section(\".sandboxfs\"))) const char spec[] = \"[kernel]\\nname = caf\\303\\251\\n\";\n"
	"double f(int n) { if (perhaps) n += perhaps(n); return sin(n) + missing(n) + local(n) + shared_data; }\n"
	"void g(void) {}\n";

/* The text of a list, as a string of its own. */
static const char *text(enum wire_text which)
{
	static char copies[WIRE_TEXTS][1 << 16];
	uint32_t bytes = table->texts[which].bytes;

	if (bytes >= sizeof(copies[0]))
		bytes = sizeof(copies[0]) - 1;
	memcpy(copies[which], (const char *)table + table->texts[which].offset, bytes);
	copies[which][bytes] = '\0';
	return copies[which];
}

static void inspect_bytes(const void *bytes, size_t size)
{
	void *copy = malloc(size + !size);

	if (!copy)
		abort();
	memcpy(copy, bytes, size);
	memset(table, 0, WIRE_TABLE_BYTES);
	elf_inspect(copy, size, table);
	free(copy);
}

/* false: the compiler cannot make it. */
static bool inspect_made(const char *command, const char *code)
{
	size_t size;
	void *bytes;

	fixture_write("judge.c", code, strlen(code));
	if (fixture_run("cd %s && %s judge.c -o judged", fixture_dir, command) != 0)
		return false;
	bytes = fixture_read(fixture_path("judged"), &size);
	if (!bytes)
		return false;
	inspect_bytes(bytes, size);
	free(bytes);
	return true;
}

static void objects_are_listed(void)
{
	REQUIRE(inspect_made("gcc -O0 -fno-pic -c", source));
	CHECK_INT(table->rc, 0);
	CHECK_INT(table->type, ET_REL);
	CHECK_INT(table->machine, EM_X86_64);
	CHECK_STR(text(WIRE_EXPORTS), "f\ng\n");
	CHECK_STR(text(WIRE_IMPORTS), "perhaps weak\nsin ok\nmissing missing\n");
	CHECK_INT(table->missing, 1);
	CHECK_STR(text(WIRE_SPEC), "[kernel]\nname = caf\303\251\n");
	CHECK_HAS(text(WIRE_SECTIONS), "1 .text PROGBITS AX ");
	CHECK_HAS(text(WIRE_SECTIONS), " .symtab SYMTAB - ");
	CHECK_HAS(text(WIRE_SECTIONS), " .rela.text RELA I ");
	CHECK_HAS(text(WIRE_SYMBOLS), "f FUNC GLOBAL .text 0x");
	CHECK_HAS(text(WIRE_SYMBOLS), "local FUNC LOCAL .text 0x0 ");
	CHECK_HAS(text(WIRE_SYMBOLS), "sin NOTYPE GLOBAL UNDEF 0x0 0\n");
	CHECK_HAS(text(WIRE_SYMBOLS), "judge.c FILE LOCAL ABS ");
	CHECK_HAS(text(WIRE_SYMBOLS), "shared_data OBJECT GLOBAL .data 0x0 4\n");
	CHECK_HAS(text(WIRE_RELOCATIONS), " R_X86_64_PC32 shared_data -4\n");
	CHECK_HAS(text(WIRE_RELOCATIONS), " R_X86_64_PLT32 sin -4\n");
	CHECK(strncmp(text(WIRE_RELOCATIONS), ".text 0x", 8) == 0);
}

static void other_kinds_are_accepted(void)
{
	REQUIRE(inspect_made("gcc -shared -fPIC", source));
	CHECK_INT(table->rc, 0);
	CHECK_INT(table->type, ET_DYN);
	CHECK_STR(text(WIRE_EXPORTS), "f\ng\n");
	CHECK_HAS(text(WIRE_IMPORTS), "missing missing\n");
	CHECK_HAS(text(WIRE_RELOCATIONS), "R_X86_64_JUMP_SLOT");
	CHECK_STR(text(WIRE_SPEC), "[kernel]\nname = caf\303\251\n");
	REQUIRE(inspect_made("gcc -no-pie -static", "int main(void) { return 0; }\n"));
	CHECK_INT(table->rc, 0);
	CHECK_INT(table->type, ET_EXEC);
	REQUIRE(inspect_made("gcc -pie -fPIE -s", "int main(void) { return 0; }\n"));
	CHECK_INT(table->rc, 0);
	CHECK_INT(table->type, ET_DYN);
}

static void aarch64_is_listed(void)
{
	if (!inspect_made("clang --target=aarch64-linux-gnu -O1 -c", "extern int v; extern int h(int); int f(void) { return h(v); }\n")) {
		check_skip("clang does not compile for aarch64 here");
		return;
	}
	CHECK_INT(table->rc, 0);
	CHECK_INT(table->machine, EM_AARCH64);
	CHECK_STR(text(WIRE_EXPORTS), "f\n");
	CHECK_HAS(text(WIRE_RELOCATIONS), "R_AARCH64_ADR_");
	CHECK_HAS(text(WIRE_RELOCATIONS), "R_AARCH64_CALL26 h 0\n");
}

static void refusals_have_sentences(void)
{
	static const char zeros[64];

	inspect_bytes("", 0);
	CHECK_INT(table->rc, -ENOEXEC);
	CHECK_STR(table->text, "0 bytes are too few for an ELF header");
	inspect_bytes(zeros, sizeof(zeros));
	CHECK_STR(table->text, "not an ELF file");
	REQUIRE(inspect_made("gcc -m32 -c", "int f;\n"));
	CHECK_STR(table->text, "ELF class 1 is not 64-bit");
	REQUIRE(inspect_made("gcc -c -x assembler", ".section .both,\"awx\"\nf: ret\n"));
	CHECK_INT(table->rc, -ENOEXEC);
	CHECK_HAS(table->text, "writable and executable");
	REQUIRE(inspect_made("gcc -c -x assembler", ".text\n.quad 0\n.reloc 0, R_X86_64_COPY, f\n"));
	CHECK_INT(table->rc, -ENOEXEC);
	CHECK_HAS(table->text, "relocation type 5");
	CHECK_INT(table->texts[WIRE_SYMBOLS].bytes, 0);
}

static void specifications_are_judged(void)
{
	REQUIRE(inspect_made("gcc -c -x assembler", ".section .sandboxfs\n.ascii \"a\\377b\"\n"));
	CHECK_INT(table->rc, -ENOEXEC);
	CHECK_HAS(table->text, "is not text: byte 1 is \\xff");
	REQUIRE(inspect_made("gcc -c -x assembler", ".section .sandboxfs\n.fill 65537, 1, 'a'\n"));
	CHECK_HAS(table->text, "has 65537 bytes");
	REQUIRE(inspect_made("gcc -c -x assembler", ".section .sandboxfs\n.fill 65536, 1, 'a'\n"));
	CHECK_INT(table->rc, 0);
	CHECK_INT(table->texts[WIRE_SPEC].bytes, 65536);
	REQUIRE(inspect_made("gcc -c -x assembler", ".section .sandboxfs,\"\",@nobits\n.zero 5\n"));
	CHECK_HAS(table->text, "not plain PROGBITS");
	REQUIRE(inspect_made("gcc -c -x assembler", ".text\nf: ret\n"));
	CHECK_INT(table->texts[WIRE_SPEC].bytes, 0);
}

static void names_are_escaped_and_lists_cut(void)
{
	const char *end;

	REQUIRE(inspect_made("gcc -c -x assembler", ".text\n.globl \"a b\\\\n\"\n.type \"a b\\\\n\", @function\n\"a b\\\\n\": ret\n"));
	CHECK_INT(table->rc, 0);
	CHECK_HAS(text(WIRE_EXPORTS), "a\\x20b");
	REQUIRE(inspect_made("gcc -c -x assembler", ".altmacro\n.macro make n\n.globl quite_a_long_name_for_a_symbol_number_\\n\n"
						     "quite_a_long_name_for_a_symbol_number_\\n: nop\n.endm\n.set i, 0\n.rept 30000\n"
						     "make %i\n.set i, i+1\n.endr\n"));
	CHECK_INT(table->rc, 0);
	end = (const char *)table + table->texts[WIRE_EXPORTS].offset + table->texts[WIRE_EXPORTS].bytes;
	CHECK_HAS(end - 20, " more\n");
	CHECK(table->texts[WIRE_EXPORTS].bytes <= 768u << 10);
}

static void names_that_a_run_provides(void)
{
	const char *last = "";
	const char *note = NULL;
	unsigned n = 0;

	for (const char *name; (name = elf_provided(n, &note)); n++) {
		CHECK_MSG(strcmp(last, name) < 0, "%s stands behind %s", name, last);
		CHECK_MSG(elf_provides(name), "%s is not found", name);
		CHECK(note && *note);
		last = name;
	}
	CHECK(n > 300);
	CHECK(elf_provided(n, NULL) == NULL);
	CHECK(elf_provides("memcpy") && elf_provides("__divti3") && elf_provides("sinf"));
	CHECK(!elf_provides("") && !elf_provides("open") && !elf_provides("memcpyy") && !elf_provides("memcp"));
}

static void escapes_fit(void)
{
	char out[8];

	CHECK_INT(elf_escape("abc", 3, out, sizeof(out)), 3);
	CHECK_STR(out, "abc");
	CHECK_INT(elf_escape("a\n\\", 3, out, sizeof(out)), 5);
	CHECK_STR(out, "a\\x0a");
	CHECK_INT(elf_escape("1234567890", 10, out, sizeof(out)), 7);
	CHECK_STR(out, "1234567");
	CHECK_INT(elf_escape("1234\n", 5, out, sizeof(out)), 4);
	CHECK_STR(out, "1234");
	CHECK_INT(elf_escape("x", 1, out, 1), 0);
	CHECK_STR(out, "");
	CHECK_INT(elf_escape("x", 1, out, 0), 0);
}

int main(void)
{
	(void)fixture_path("");
	table = calloc(1, WIRE_TABLE_BYTES);
	RUN(names_that_a_run_provides);
	RUN(escapes_fit);
	if (table && fixture_run("gcc --version") == 0) {
		RUN(objects_are_listed);
		RUN(other_kinds_are_accepted);
		RUN(aarch64_is_listed);
		RUN(refusals_have_sentences);
		RUN(specifications_are_judged);
		RUN(names_are_escaped_and_lists_cut);
	}
	free(table);
	fixture_clean();
	return check_done();
}
