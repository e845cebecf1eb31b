/* SPDX-License-Identifier: MIT
 *
 * For libc.h: what the dynamic linker finds in one object's table of symbols is replaced, by
 * writing another value into the entry of the name. The linker reads the table at each look-up, so
 * that objects which are loaded later, and calls which are bound later, get the new one, whatever
 * the order in which they look.
 *
 * The table lies in memory that cannot be written, so its pages are made writable for the time of
 * the change, and become private copies. They are never executable meanwhile. Look-ups of other
 * threads go on: each value is one aligned word.
 *
 * Called inside dlopen(), by one thread at a time.
 */
#include "collectors/base/libc/glibc_elf.h"
#include "collectors/base/libc/libc.h"
#include "collectors/base/sys.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* What is written at once. */
struct change {
    uintptr_t bias;
    struct elf_tables table;
    uintptr_t lo, hi; /* the entries */
};

static bool is_to_change(const struct change *c, const struct libc_rebinding *row,
                         const ElfW(Sym) * symbol)
{
    return symbol && (!row->from || c->bias + symbol->st_value == (uintptr_t)row->from);
}

/* The flags of the segment that [lo, hi) lies in, out of the file's header at the beginning of the
 * first segment; 0: not known. */
static uint32_t segment_flags(const struct libc_object *o, uintptr_t bias, uintptr_t lo,
                              uintptr_t hi)
{
    const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)o->lo; /* NOLINT: an address */
    if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_phentsize != sizeof(ElfW(Phdr)) ||
        head->e_phoff + head->e_phnum * sizeof(ElfW(Phdr)) > PAGE_BYTES) {
        return 0;
    }
    const ElfW(Phdr) *p = (const ElfW(Phdr) *)(o->lo + head->e_phoff); /* NOLINT: the same */
    for (const ElfW(Phdr) *end = p + head->e_phnum; p < end; p++) {
        uintptr_t begin = bias + p->p_vaddr;
        if (p->p_type == PT_LOAD && begin <= lo && hi <= begin + p->p_memsz) {
            return p->p_flags;
        }
    }
    return 0;
}

/* Whether pages [lo, hi) hold tables alone. Where code lies in the same segment, it comes behind
 * the symbols' names. */
static bool is_without_code(const struct change *c, uintptr_t hi)
{
    uintptr_t strings = (uintptr_t)c->table.strings;
    return c->hi <= strings && hi <= strings + c->table.strings_bytes;
}

static void find_range(struct change *c, const struct libc_rebinding *rows, size_t n)
{
    c->lo = UINTPTR_MAX;
    c->hi = 0;
    for (size_t i = 0; i < n; i++) {
        const ElfW(Sym) *symbol = elf_entry(&c->table, rows[i].name);
        if (is_to_change(c, &rows[i], symbol)) {
            uintptr_t at = (uintptr_t)symbol;
            c->lo = at < c->lo ? at : c->lo;
            c->hi = at + sizeof *symbol > c->hi ? at + sizeof *symbol : c->hi;
        }
    }
}

static void write_values(const struct change *c, const struct libc_rebinding *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const ElfW(Sym) *symbol = elf_entry(&c->table, rows[i].name);
        if (is_to_change(c, &rows[i], symbol)) {
            ElfW(Addr) *value = (ElfW(Addr) *)&symbol->st_value; /* NOLINT: writable now */
            STORE_RELEASE(value, (uintptr_t)rows[i].to - c->bias);
        }
    }
}

int libc_rebind(const struct libc_rebinding *rows, size_t n)
{
    struct libc_object object;
    struct change c;
    if (!libc_object_find(&object, (uintptr_t)rows[0].from)) {
        return -ENOSYS;
    }
    c.bias = libc_object_bias(&object);
    if (!elf_tables_of(object.handle, &c.table)) {
        return -ENOEXEC;
    }
    if (!is_to_change(&c, &rows[0], elf_entry(&c.table, rows[0].name))) {
        return -ENOENT;
    }
    find_range(&c, rows, n);
    uint32_t flags = segment_flags(&object, c.bias, c.lo, c.hi);
    uintptr_t lo = c.lo & ~(PAGE_BYTES - 1);
    uintptr_t hi = (c.hi + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    if (!(flags & PF_R) || (flags & PF_X && !is_without_code(&c, hi))) {
        return -ENOEXEC;
    }
    if (flags & PF_W) {
        write_values(&c, rows, n);
        return 0;
    }
    long err = sys_call3(SYS_mprotect, lo, hi - lo, PROT_READ | PROT_WRITE);
    if (err == 0) {
        write_values(&c, rows, n);
        sys_call3(SYS_mprotect, lo, hi - lo, PROT_READ);
    }
    return (int)err;
}
