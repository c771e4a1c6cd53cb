/* SPDX-License-Identifier: MIT */
/* The smallest ELF objects that tests of the store need: one text section, the symbols asked for, and a specification. */
#ifndef STORE_ELF_H
#define STORE_ELF_H

#include <elf.h>
#include <stdint.h>
#include <string.h>

#define ELF_ROOM 65536

/* A relocatable object that exports symbols (ends with NULL); spec may be NULL. fill makes it differ. The size. */
__attribute__((unused)) static size_t make_elf(unsigned char out[ELF_ROOM], const char *const *symbols, const char *spec,
					       uint32_t fill)
{
	enum { NONE, TEXT, SYMTAB, STRTAB, SHSTRTAB, SPEC, SECTIONS };
	static const char names[] = "\0.text\0.symtab\0.strtab\0.shstrtab\0.sandboxfs";
	Elf64_Ehdr e = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			 .e_type = ET_REL,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_ehsize = sizeof(Elf64_Ehdr),
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = spec ? SECTIONS : SPEC,
			 .e_shstrndx = SHSTRTAB };
	Elf64_Shdr s[SECTIONS] = { { 0 } };
	size_t at = sizeof(e), strings = 1;
	uint32_t n = 1;

	memset(out, 0, ELF_ROOM);
	out[at] = 0xc3;
	memcpy(out + at + 4, &fill, 4);
	s[TEXT] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				.sh_offset = at, .sh_size = 8, .sh_addralign = 16 };
	at += 8;
	s[SYMTAB] = (Elf64_Shdr){ .sh_name = 7, .sh_type = SHT_SYMTAB, .sh_offset = at, .sh_link = STRTAB,
				  .sh_info = 1, .sh_entsize = sizeof(Elf64_Sym), .sh_addralign = 8 };
	for (; symbols[n - 1]; n++) {
		Elf64_Sym sym = { .st_name = (uint32_t)strings, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				  .st_shndx = TEXT, .st_size = 1 };

		memcpy(out + at + n * sizeof(sym), &sym, sizeof(sym));
		strings += strlen(symbols[n - 1]) + 1;
	}
	s[SYMTAB].sh_size = n * sizeof(Elf64_Sym);
	at += s[SYMTAB].sh_size;
	s[STRTAB] = (Elf64_Shdr){ .sh_name = 15, .sh_type = SHT_STRTAB, .sh_offset = at, .sh_size = strings,
				  .sh_addralign = 1 };
	for (size_t i = 0, to = at + 1; symbols[i]; to += strlen(symbols[i]) + 1, i++)
		strcpy((char *)out + to, symbols[i]);
	at += strings;
	s[SHSTRTAB] = (Elf64_Shdr){ .sh_name = 23, .sh_type = SHT_STRTAB, .sh_offset = at, .sh_size = sizeof(names),
				    .sh_addralign = 1 };
	memcpy(out + at, names, sizeof(names));
	at += sizeof(names);
	if (spec) {
		s[SPEC] = (Elf64_Shdr){ .sh_name = 33, .sh_type = SHT_PROGBITS, .sh_offset = at, .sh_size = strlen(spec),
					.sh_addralign = 1 };
		memcpy(out + at, spec, strlen(spec));
		at += strlen(spec);
	}
	at = (at + 7) & ~(size_t)7;
	e.e_shoff = at;
	memcpy(out + at, s, e.e_shnum * sizeof(Elf64_Shdr));
	memcpy(out, &e, sizeof(e));
	return at + e.e_shnum * sizeof(Elf64_Shdr);
}

#endif
