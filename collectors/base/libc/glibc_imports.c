/* SPDX-License-Identifier: MIT
 *
 * Standing in front of a library without defining its names: the slots through which loaded objects
 * call its functions are directed to functions of ours. For libc.h. A definition of ours would be
 * found by a program that asks whether the library is there, be it by a weak reference, which binds
 * to a definition of any version, or by dlsym().
 *
 * A slot is known by its relocation, and changed only if it holds the library's function, or has
 * not been bound yet and would be bound to it. What another library, or the program, has directed
 * elsewhere stays so.
 *
 * Called by preload/hooks/openmp.c, in the constructor and when a thread is made. The dynamic
 * linker's lock, which dl_iterate_phdr() takes, keeps the objects loaded meanwhile.
 */
#include "collectors/base/libc/glibc_elf.h"
#include "collectors/base/libc/libc.h"
#include "collectors/base/sys.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>

extern const ElfW(Dyn) our_dynamic[] LINKED_AS("_DYNAMIC") HIDDEN;

/* A loaded object, as dl_iterate_phdr() tells of it. */
struct object {
    struct link_map map; /* only the load address and the dynamic section */
    uintptr_t lo, hi;
    uintptr_t relro_lo, relro_hi; /* whole pages that are written no more once it is relocated */
};

static bool object_of(const struct dl_phdr_info *info, struct object *o)
{
    *o = (struct object){.map = {.l_addr = info->dlpi_addr}, .lo = UINTPTR_MAX};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + p->p_vaddr;
        uintptr_t end = at + p->p_memsz;
        if (p->p_type == PT_LOAD) {
            o->lo = at < o->lo ? at : o->lo;
            o->hi = end > o->hi ? end : o->hi;
        } else if (p->p_type == PT_DYNAMIC) {
            o->map.l_ld = (ElfW(Dyn) *)at; /* NOLINT: an address */
        } else if (p->p_type == PT_GNU_RELRO) {
            o->relro_lo = at & ~(uintptr_t)(PAGE_BYTES - 1);
            o->relro_hi = end & ~(uintptr_t)(PAGE_BYTES - 1);
        }
    }
    return o->map.l_ld && o->map.l_ld != our_dynamic;
}

/* ---- which libraries are there ---- */

struct search {
    const char *has, *lacks;
    struct libc_library *found;
    size_t n, most;
};

static int search_object(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    struct search *s = arg;
    struct object o;
    (void)bytes;
    if (object_of(info, &o) && elf_symbol(&o.map, s->has) && !elf_symbol(&o.map, s->lacks)) {
        s->found[s->n++] = (struct libc_library){o.map.l_addr, o.map.l_ld};
    }
    return s->n == s->most;
}

size_t libc_libraries(libc_iterate *iterate, const char *has, const char *lacks,
                      struct libc_library *found, size_t most)
{
    struct search s = {has, lacks, found, 0, most};
    iterate(search_object, &s);
    return s.n;
}

void *libc_library_function(const struct libc_library *library, const char *name)
{
    struct link_map m = {.l_addr = library->bias, .l_ld = (ElfW(Dyn) *)(uintptr_t)library->dynamic};
    return elf_symbol(&m, name);
}

bool libc_library_calls(const void *caller, const char *name)
{
    struct libc_object o;
    return libc_object_find(&o, (uintptr_t)caller) && elf_symbol(o.handle, name);
}

static int count_changes(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    (void)bytes;
    *(uint64_t *)arg = info->dlpi_adds + info->dlpi_subs;
    return 1;
}

uint64_t libc_objects_changed(libc_iterate *iterate)
{
    uint64_t changes = 0;
    iterate(count_changes, &changes);
    return changes;
}

/* ---- slots ---- */

struct turn {
    const struct libc_library *library;
    const char *old_version;
    struct libc_import *imports;
    size_t n;
    uint64_t first[4]; /* bit c: a name begins with that character; most other names do not */
};

/* Whether memory can be written: by an operation on a futex that adds nothing. While an object is
 * being relocated, the dynamic linker still writes there, and a protection of ours would stop it.
 */
static bool is_writable(void *word)
{
    uint32_t nothing = 0;
    long add_nothing = FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0);
    return sys_call6(SYS_futex, &nothing, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 0, 0, word,
                     add_nothing) >= 0;
}

static void slot_set(const struct object *o, uintptr_t slot, void *ours)
{
    void **at = (void **)slot; /* NOLINT: an address */
    uintptr_t page = slot & ~(uintptr_t)(PAGE_BYTES - 1);
    bool guarded = slot >= o->relro_lo && slot < o->relro_hi && !is_writable(at);
    if (guarded && sys_call3(SYS_mprotect, page, PAGE_BYTES, PROT_READ | PROT_WRITE) != 0) {
        return;
    }
    STORE_RELEASE(at, ours);
    if (guarded) {
        sys_call3(SYS_mprotect, page, PAGE_BYTES, PROT_READ);
    }
}

/* The name of the version that symbol i is imported with; "" = none. */
static const char *version_of(const struct elf_tables *t, size_t i)
{
    const char *at = (const char *)t->needed;
    while (at && t->version) {
        const ElfW(Verneed) *library = (const void *)at;
        const char *next = at + library->vn_aux;
        for (int n = 0; n < library->vn_cnt; n++) {
            const ElfW(Vernaux) *version = (const void *)next;
            if (version->vna_other == (t->version[i] & ~ELF_HIDDEN_VERSION)) {
                return t->strings + version->vna_name;
            }
            next += version->vna_next;
        }
        at = library->vn_next ? at + library->vn_next : NULL;
    }
    return "";
}

static struct libc_import *import_of(const struct turn *turn, const char *name)
{
    unsigned char c = (unsigned char)name[0];
    for (size_t i = turn->first[c / 64] >> c % 64 & 1 ? 0 : turn->n; i < turn->n; i++) {
        if (strcmp(turn->imports[i].name, name) == 0) {
            return &turn->imports[i];
        }
    }
    return NULL;
}

static void turn_slots(const struct turn *turn, const struct object *o, const struct elf_tables *t,
                       const ElfW(Rela) * table, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof *table; i++) {
        size_t symbol = ELF64_R_SYM(table[i].r_info);
        if (symbol == 0 || table[i].r_addend != 0 ||
            arch_reloc_of(ELF64_R_TYPE(table[i].r_info)) != ARCH_RELOC_SYMBOL ||
            t->symbols[symbol].st_shndx != SHN_UNDEF) {
            continue;
        }
        const struct libc_import *import = import_of(turn, t->strings + t->symbols[symbol].st_name);
        if (!import || !import->real) {
            continue;
        }
        uintptr_t slot = o->map.l_addr + table[i].r_offset;
        uintptr_t now = LOAD((uintptr_t *)slot); /* NOLINT: an address */
        bool unbound = now >= o->lo && now < o->hi && !import->elsewhere &&
                       strcmp(version_of(t, symbol), turn->old_version) != 0;
        if (now == (uintptr_t)import->real || unbound) {
            slot_set(o, slot, import->ours);
        }
    }
}

/* A definition that stands before the library's is what references of that name are bound to. */
static int note_definitions(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    struct turn *turn = arg;
    struct object o;
    (void)bytes;
    if (!object_of(info, &o)) {
        return 0;
    }
    if (o.map.l_ld == turn->library->dynamic) {
        return 1;
    }
    for (size_t i = 0; i < turn->n; i++) {
        turn->imports[i].elsewhere |= elf_symbol(&o.map, turn->imports[i].name) != NULL;
    }
    return 0;
}

/* Where no function is called through a slot of its own kind (-fno-plt), the other slots are what
 * calls go through. Elsewhere they hold addresses that the program takes, and stay. */
static int turn_object(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    const struct turn *turn = arg;
    struct object o;
    struct elf_tables t;
    (void)bytes;
    if (object_of(info, &o) && o.map.l_ld != turn->library->dynamic && elf_tables_of(&o.map, &t)) {
        if (t.calls) {
            turn_slots(turn, &o, &t, t.calls, t.calls_bytes);
        } else {
            turn_slots(turn, &o, &t, t.others, t.others_bytes);
        }
    }
    return 0;
}

void libc_imports_turn(libc_iterate *iterate, const struct libc_library *library,
                       const char *old_version, struct libc_import *imports, size_t n)
{
    struct turn turn = {library, old_version, imports, n, {0}};
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)imports[i].name[0];
        turn.first[c / 64] |= (uint64_t)1 << c % 64;
    }
    iterate(note_definitions, &turn);
    iterate(turn_object, &turn);
}
