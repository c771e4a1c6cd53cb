/* SPDX-License-Identifier: MIT */
/*
 * A mutator that knows where the fields of an ELF file are: half of its changes put a value that has been trouble before
 * into a header, a symbol or a relocation; the rest is left to libFuzzer.
 */
#ifndef ELF_MUTATE_H
#define ELF_MUTATE_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static uint32_t mutate_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Near a limit of the file, near a limit of the type, or anything small. */
static uint64_t mutate_value(uint32_t *state, size_t size)
{
	static const uint64_t limits[] = { 0,	   1,	       2,	   7,	       8,		  24,
					   0xff00, 0xfff1,     0xfff2,	   0xffff,     0x10000,		  1u << 20,
					   1u << 21, 1u << 28, 0x7fffffff, 0x80000000, 0xffffffff,	  1ull << 32,
					   1ull << 62, 1ull << 63, UINT64_MAX - 63, UINT64_MAX - 7, UINT64_MAX };

	switch (mutate_random(state) % 4) {
	case 0:
		return limits[mutate_random(state) % (sizeof(limits) / sizeof(limits[0]))];
	case 1:
		return size - mutate_random(state) % 65;
	case 2:
		return 1ull << mutate_random(state) % 64;
	default:
		return mutate_random(state) % 64;
	}
}

/* Changes one field, of 1, 2, 4 or 8 bytes, in an entry at data + at. */
static void mutate_entry(uint8_t *data, size_t at, size_t bytes, uint32_t *state, size_t size)
{
	size_t width = (size_t)1 << mutate_random(state) % 4;
	size_t slot = mutate_random(state) % (bytes / width);
	uint64_t value = mutate_value(state, size);

	if (at <= size && bytes <= size - at)
		memcpy(data + at + slot * width, &value, width);
}

static void mutate_table(uint8_t *data, const Elf64_Shdr *section, size_t entry, uint32_t *state, size_t size)
{
	if (section->sh_offset <= size && section->sh_size <= size - section->sh_offset && section->sh_size >= entry)
		mutate_entry(data, section->sh_offset + mutate_random(state) % (section->sh_size / entry) * entry, entry,
			     state, size);
}

static void mutate_section(uint8_t *data, uint32_t *state, size_t size)
{
	Elf64_Ehdr header;
	Elf64_Shdr section;
	size_t at;

	memcpy(&header, data, sizeof(header));
	if (header.e_shnum == 0 || header.e_shoff > size)
		return;
	at = header.e_shoff + mutate_random(state) % header.e_shnum * sizeof(section);
	if (at > size || sizeof(section) > size - at)
		return;
	memcpy(&section, data + at, sizeof(section));
	if (section.sh_type == SHT_SYMTAB && mutate_random(state) % 4)
		mutate_table(data, &section, sizeof(Elf64_Sym), state, size);
	else if (section.sh_type == SHT_RELA && mutate_random(state) % 4)
		mutate_table(data, &section, sizeof(Elf64_Rela), state, size);
	else
		mutate_entry(data, at, sizeof(section), state, size);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	uint32_t state = seed;

	if (size < sizeof(Elf64_Ehdr) || mutate_random(&state) % 2)
		return LLVMFuzzerMutate(data, size, max_size);
	if (mutate_random(&state) % 8)
		mutate_section(data, &state, size);
	else
		mutate_entry(data, 0, sizeof(Elf64_Ehdr), &state, size);
	return size;
}

#endif
