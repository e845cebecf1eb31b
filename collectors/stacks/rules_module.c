/* SPDX-License-Identifier: MIT
 *
 * See rules_module.h. _dl_find_object answers in nanoseconds, takes no lock and covers the vDSO;
 * but of an object with holes between its segments (programs that are not PIE, libraries with large
 * alignments) it tells the one segment that holds the address, while the frame information is in
 * another. The extent then comes from the object's program headers.
 */
#include "collectors/stacks/rules_module.h"

#include "collectors/base/sys.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

/* glibc 2.35. On an older one no module is found and every walk ends after its leaf. */
extern __typeof(_dl_find_object) _dl_find_object __attribute__((weak));

static uintptr_t program_headers; /* of the main program */
static size_t program_header_count;

void module_start(void)
{
    program_headers = getauxval(AT_PHDR);
    program_header_count = getauxval(AT_PHNUM);
}

/* The program headers of a library lie behind the ELF header at its load address. */
static const ElfW(Phdr) * library_headers(uintptr_t base, size_t *n)
{
    const ElfW(Ehdr) *ehdr = (const ElfW(Ehdr) *)base; /* NOLINT: where it is mapped */
    if (base == 0 || !sys_readable(base) || memcmp(ehdr->e_ident, ELFMAG, SELFMAG) != 0 ||
        ehdr->e_phentsize != sizeof(ElfW(Phdr)) ||
        ehdr->e_phoff + ehdr->e_phnum * sizeof(ElfW(Phdr)) > PAGE_BYTES) {
        return NULL;
    }
    *n = ehdr->e_phnum;
    return (const ElfW(Phdr) *)(base + ehdr->e_phoff); /* NOLINT */
}

static COLD void widen(struct module *m, const struct link_map *map)
{
    bool is_program = map->l_name[0] == '\0';
    size_t n = program_header_count;
    const ElfW(Phdr) *ph = is_program ? (const ElfW(Phdr) *)program_headers /* NOLINT */
                                      : library_headers(map->l_addr, &n);
    for (size_t i = 0; ph && i < n; i++) {
        if (ph[i].p_type == PT_LOAD) {
            uintptr_t lo = map->l_addr + ph[i].p_vaddr;
            uintptr_t hi = lo + ph[i].p_memsz;
            m->lo = lo < m->lo ? lo : m->lo;
            m->hi = hi > m->hi ? hi : m->hi;
        }
    }
}

bool module_find(struct module *m, uintptr_t pc)
{
    struct dl_find_object object;
    if (!_dl_find_object || _dl_find_object((void *)pc, &object) != 0) { /* NOLINT */
        return false;
    }
    m->lo = (uintptr_t)object.dlfo_map_start;
    m->hi = (uintptr_t)object.dlfo_map_end;
    m->frame_info = (uintptr_t)object.dlfo_eh_frame;
    if (UNLIKELY(m->frame_info && (m->frame_info < m->lo || m->frame_info >= m->hi))) {
        widen(m, object.dlfo_link_map);
    }
    return true;
}
