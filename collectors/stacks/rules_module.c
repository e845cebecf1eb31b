/* SPDX-License-Identifier: MIT
 *
 * See rules_module.h. libc_object_find() answers in nanoseconds. For an object with holes between
 * its segments (a program that is not PIE, a library with large alignments) it gives the extent of
 * the one segment at the address; if the frame information is in another segment, the extent of the
 * whole object is computed from its program headers.
 */
#include "collectors/stacks/rules_module.h"

#include "collectors/base/libc/libc.h"
#include "collectors/base/sys.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

static uintptr_t program_headers; /* of the main program, from the kernel; 0 = unknown */
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

static COLD void widen(struct module *m, const struct libc_object *object)
{
    uintptr_t bias = libc_object_bias(object);
    size_t n = program_header_count;
    const ElfW(Phdr) *ph = libc_object_is_program(object)
                               ? (const ElfW(Phdr) *)program_headers /* NOLINT */
                               : library_headers(bias, &n);
    for (size_t i = 0; ph && i < n; i++) {
        if (ph[i].p_type == PT_LOAD) {
            uintptr_t lo = bias + ph[i].p_vaddr;
            uintptr_t hi = lo + ph[i].p_memsz;
            m->lo = lo < m->lo ? lo : m->lo;
            m->hi = hi > m->hi ? hi : m->hi;
        }
    }
}

bool module_find(struct module *m, uintptr_t pc)
{
    struct libc_object object;
    if (!libc_object_find(&object, pc)) {
        return false;
    }
    m->lo = object.lo;
    m->hi = object.hi;
    m->frame_info = object.frame_info;
    if (UNLIKELY(m->frame_info && (m->frame_info < m->lo || m->frame_info >= m->hi))) {
        widen(m, &object);
    }
    return true;
}
