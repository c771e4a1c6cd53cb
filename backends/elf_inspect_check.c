/* SPDX-License-Identifier: MIT */
/*
 * Judges every header of an ELF file before a library is given the file, since libraries believe
 * headers.
 */
#include "elf_inspect.h"

#include <errno.h>
#include <string.h>

struct bytes {
	const unsigned char *file;
	size_t size;
	Elf64_Ehdr header;
	uint32_t nsections, nsegments;
};

static bool within(uint64_t offset, uint64_t bytes, uint64_t size)
{
	return offset <= size && bytes <= size - offset;
}

static Elf64_Shdr section_at(const struct bytes *bytes, uint32_t i)
{
	Elf64_Shdr section;

	memcpy(&section, bytes->file + bytes->header.e_shoff + (uint64_t)i * sizeof(section),
	       sizeof(section));
	return section;
}

static Elf64_Phdr segment_at(const struct bytes *bytes, uint32_t i)
{
	Elf64_Phdr segment;

	memcpy(&segment, bytes->file + bytes->header.e_phoff + (uint64_t)i * sizeof(segment),
	       sizeof(segment));
	return segment;
}

/* ---- the header ------------------------------------------------------------------------------ */

static int check_kind(const Elf64_Ehdr *header, struct elf_error *err)
{
	const unsigned char *ident = header->e_ident;

	if (memcmp(ident, ELFMAG, SELFMAG) != 0)
		return elf_refuse(err, -ENOEXEC, "not an ELF file");
	if (ident[EI_CLASS] != ELFCLASS64)
		return elf_refuse(err, -ENOEXEC, "ELF class %u is not 64-bit", ident[EI_CLASS]);
	if (ident[EI_DATA] != ELFDATA2LSB)
		return elf_refuse(err, -ENOEXEC, "ELF data encoding %u is not little-endian",
				  ident[EI_DATA]);
	if (ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT)
		return elf_refuse(err, -ENOEXEC, "ELF version %u is not 1", header->e_version);
	if (ident[EI_OSABI] != ELFOSABI_SYSV && ident[EI_OSABI] != ELFOSABI_GNU)
		return elf_refuse(err, -ENOEXEC, "OS ABI %u is neither System V nor GNU",
				  ident[EI_OSABI]);
	if (header->e_type != ET_REL && header->e_type != ET_DYN && header->e_type != ET_EXEC)
		return elf_refuse(err, -ENOEXEC,
				  "ELF type %u is no object, shared object or executable",
				  header->e_type);
	if (header->e_machine != EM_X86_64 && header->e_machine != EM_AARCH64)
		return elf_refuse(err, -ENOEXEC, "machine %u is neither x86-64 nor aarch64",
				  header->e_machine);
	if (header->e_ehsize != sizeof(*header))
		return elf_refuse(err, -ENOEXEC, "an ELF header of %u bytes instead of 64",
				  header->e_ehsize);
	return 0;
}

/* Counts that do not fit the header stand in section 0. */
static int count_sections(struct bytes *bytes, struct elf_error *err)
{
	const Elf64_Ehdr *header = &bytes->header;
	uint64_t count = header->e_shnum;

	if (header->e_shoff == 0 && header->e_shnum != 0)
		return elf_refuse(err, -ENOEXEC, "%u section headers are nowhere", header->e_shnum);
	if (header->e_shoff == 0)
		return 0;
	if (header->e_shentsize != sizeof(Elf64_Shdr))
		return elf_refuse(err, -ENOEXEC, "section headers of %u bytes instead of 64",
				  header->e_shentsize);
	if (!within(header->e_shoff, sizeof(Elf64_Shdr), bytes->size))
		return elf_refuse(err, -ENOEXEC, "section headers at 0x%jx lie outside of the file",
				  (uintmax_t)header->e_shoff);
	if (count == 0)
		count = section_at(bytes, 0).sh_size;
	if (count > ELF_SECTIONS_MAX)
		return elf_refuse(err, -ENOEXEC, "%ju sections are more than %u", (uintmax_t)count,
				  ELF_SECTIONS_MAX);
	if (count == 0 || !within(header->e_shoff, count * sizeof(Elf64_Shdr), bytes->size))
		return elf_refuse(err, -ENOEXEC, "%ju section headers do not lie within the file",
				  (uintmax_t)count);
	bytes->nsections = (uint32_t)count;
	return 0;
}

static int count_segments(struct bytes *bytes, struct elf_error *err)
{
	const Elf64_Ehdr *header = &bytes->header;

	bytes->nsegments = header->e_phnum;
	if (header->e_phnum == PN_XNUM)
		return elf_refuse(err, -ENOEXEC, "more than %u program headers", PN_XNUM - 1);
	if (header->e_phnum == 0)
		return 0;
	if (header->e_phentsize != sizeof(Elf64_Phdr))
		return elf_refuse(err, -ENOEXEC, "program headers of %u bytes instead of 56",
				  header->e_phentsize);
	if (!within(header->e_phoff, (uint64_t)header->e_phnum * sizeof(Elf64_Phdr), bytes->size))
		return elf_refuse(err, -ENOEXEC,
				  "%u program headers at 0x%jx do not lie within the file",
				  header->e_phnum, (uintmax_t)header->e_phoff);
	return 0;
}

/* ---- sections -------------------------------------------------------------------------------- */

static uint64_t entry_bytes(uint32_t type)
{
	switch (type) {
	case SHT_SYMTAB:
	case SHT_DYNSYM:
		return sizeof(Elf64_Sym);
	case SHT_RELA:
		return sizeof(Elf64_Rela);
	case SHT_REL:
		return sizeof(Elf64_Rel);
	case SHT_DYNAMIC:
		return sizeof(Elf64_Dyn);
	default:
		return 0;
	}
}

static const char *string_fault(const struct bytes *bytes, uint32_t i)
{
	Elf64_Shdr section;

	if (i == 0 || i >= bytes->nsections)
		return "has no string table";
	section = section_at(bytes, i);
	if (section.sh_type != SHT_STRTAB || (section.sh_flags & SHF_COMPRESSED) ||
	    !within(section.sh_offset, section.sh_size, bytes->size))
		return "has a string table that is none";
	if (section.sh_size == 0 || bytes->file[section.sh_offset + section.sh_size - 1] != '\0')
		return "has a string table that does not end with NUL";
	return NULL;
}

static const char *section_fault(const struct bytes *bytes, const Elf64_Shdr *section)
{
	uint64_t entry = entry_bytes(section->sh_type);

	if (section->sh_type == SHT_NULL)
		return NULL;
	if (section->sh_type != SHT_NOBITS &&
	    !within(section->sh_offset, section->sh_size, bytes->size))
		return "lies outside of the file";
	if (section->sh_addralign & (section->sh_addralign - 1))
		return "has an alignment that is no power of two";
	if (section->sh_link >= bytes->nsections)
		return "is linked to a section that does not exist";
	if (entry == 0)
		return NULL;
	if (section->sh_entsize != entry || section->sh_size % entry != 0)
		return "has entries of a wrong size";
	if (section->sh_flags & SHF_COMPRESSED)
		return "is compressed";
	if (section->sh_type == SHT_SYMTAB || section->sh_type == SHT_DYNSYM)
		return section->sh_size / entry > ELF_SYMBOLS_MAX
			       ? "has too many symbols"
			       : string_fault(bytes, section->sh_link);
	return NULL;
}

static int check_sections(const struct bytes *bytes, struct elf_error *err)
{
	unsigned tables = 0;
	uint32_t names = bytes->header.e_shstrndx;
	const char *why;

	if (bytes->nsections == 0)
		return 0;
	if (names == SHN_XINDEX)
		names = section_at(bytes, 0).sh_link;
	why = names == 0 ? NULL : string_fault(bytes, names);
	if (why)
		return elf_refuse(err, -ENOEXEC, "the list of sections %s", why);
	for (uint32_t i = 1; i < bytes->nsections; i++) {
		Elf64_Shdr section = section_at(bytes, i);

		why = section_fault(bytes, &section);
		if (why)
			return elf_refuse(err, -ENOEXEC, "section %u %s", i, why);
		tables += section.sh_type == SHT_SYMTAB;
	}
	return tables > 1 ? elf_refuse(err, -ENOEXEC, "%u symbol tables", tables) : 0;
}

/* ---- segments -------------------------------------------------------------------------------- */

static const char *segment_fault(const struct bytes *bytes, const Elf64_Phdr *segment,
				 uint64_t *end)
{
	if (segment->p_type != PT_NULL &&
	    !within(segment->p_offset, segment->p_filesz, bytes->size))
		return "lies outside of the file";
	if (segment->p_align & (segment->p_align - 1))
		return "has an alignment that is no power of two";
	if (segment->p_type == PT_INTERP &&
	    (segment->p_filesz == 0 || segment->p_filesz > ELF_NAME_LENGTH ||
	     bytes->file[segment->p_offset + segment->p_filesz - 1] != '\0'))
		return "names no interpreter";
	if (segment->p_type != PT_LOAD && segment->p_type != PT_TLS)
		return NULL;
	if (segment->p_filesz > segment->p_memsz)
		return "is larger in the file than in memory";
	if (segment->p_type == PT_TLS)
		return NULL;
	if ((segment->p_flags & PF_W) && (segment->p_flags & PF_X))
		return "is writable and executable";
	if (segment->p_align > 1 && (segment->p_vaddr - segment->p_offset) % segment->p_align != 0)
		return "stands at an address that its alignment forbids";
	if (segment->p_vaddr < *end || !within(segment->p_vaddr, segment->p_memsz, 1ull << 47))
		return "overlaps another one, or stands before it";
	*end = segment->p_vaddr + segment->p_memsz;
	return NULL;
}

static int check_segments(const struct bytes *bytes, struct elf_error *err)
{
	unsigned loads = 0;
	uint64_t end = 0;

	for (uint32_t i = 0; i < bytes->nsegments; i++) {
		Elf64_Phdr segment = segment_at(bytes, i);
		const char *why = segment_fault(bytes, &segment, &end);

		if (why)
			return elf_refuse(err, -ENOEXEC, "segment %u %s", i, why);
		loads += segment.p_type == PT_LOAD;
	}
	if (bytes->header.e_type != ET_REL && loads == 0)
		return elf_refuse(err, -ENOEXEC, "there is no segment to load");
	return 0;
}

int elf_check(const void *file, size_t size, struct elf_facts *out, struct elf_error *err)
{
	struct bytes bytes = { .file = file, .size = size };
	int rc;

	if (size < sizeof(bytes.header))
		return elf_refuse(err, -ENOEXEC, "%zu bytes are too few for an ELF header", size);
	memcpy(&bytes.header, file, sizeof(bytes.header));
	rc = check_kind(&bytes.header, err);
	rc = rc ?: count_sections(&bytes, err);
	rc = rc ?: count_segments(&bytes, err);
	rc = rc ?: check_sections(&bytes, err);
	rc = rc ?: check_segments(&bytes, err);
	if (rc == 0)
		*out = (struct elf_facts){ bytes.header.e_type, bytes.header.e_machine,
					   bytes.nsections };
	return rc;
}
