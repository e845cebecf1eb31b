/* SPDX-License-Identifier: MIT
 *
 * Whether collectors/stacks/rules_check.c accepts everything that compilers write: every FDE of the
 * files named on the command line, mapped as the dynamic linker would. Prints for each file how
 * many there are and those that it refuses; the status says whether there are any. Run by
 * test/long/unwind_fuzz.py and, with fewer files, by test/e2e/unwind_step.py.
 */
#include "collectors/base/sys.h"
#include "collectors/stacks/rules_check.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { PHDRS_MAX = 32, SHOWN_MAX = 5 };

static bool always(uintptr_t addr)
{
    (void)addr;
    return true; /* map_file leaves no holes */
}

static bool map_file(const char *path, struct module *m)
{
    static ElfW(Ehdr) eh;
    static ElfW(Phdr) ph[PHDRS_MAX];
    FILE *f = fopen(path, "rb");
    if (!f || fread(&eh, sizeof eh, 1, f) != 1 || memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
        eh.e_phnum > PHDRS_MAX || fseek(f, (long)eh.e_phoff, SEEK_SET) != 0 ||
        fread(ph, sizeof ph[0], eh.e_phnum, f) != eh.e_phnum) {
        return false;
    }
    uintptr_t lo = UINTPTR_MAX;
    uintptr_t hi = 0;
    for (int i = 0; i < eh.e_phnum; i++) {
        if (ph[i].p_type == PT_LOAD) {
            uintptr_t end = ph[i].p_vaddr + ph[i].p_memsz;
            lo = ph[i].p_vaddr < lo ? ph[i].p_vaddr : lo;
            hi = end > hi ? end : hi;
        }
    }
    char *base = hi > lo ? sys_map(hi - lo) : NULL;
    *m = (struct module){(uintptr_t)base, (uintptr_t)base + (hi - lo), 0};
    for (int i = 0; base && i < eh.e_phnum; i++) {
        if (ph[i].p_type == PT_LOAD) {
            fseek(f, (long)ph[i].p_offset, SEEK_SET);
            if (fread(base + (ph[i].p_vaddr - lo), 1, ph[i].p_filesz, f) != ph[i].p_filesz) {
                return false;
            }
        } else if (ph[i].p_type == PT_GNU_EH_FRAME) {
            m->frame_info = m->lo + (ph[i].p_vaddr - lo);
        }
    }
    fclose(f);
    return base && m->frame_info;
}

/* Those that the table leads to, by the same look-up as the library's. */
static bool accepts(const char *path)
{
    struct module m;
    if (!map_file(path, &m)) {
        printf("%s: cannot be mapped\n", path);
        return false;
    }
    const struct check check = {&m, always, NULL};
    const uint8_t *header = (const uint8_t *)m.frame_info;
    const int32_t *table = (const int32_t *)(header + 12);
    uint32_t count;
    uint32_t refused = 0;
    uint32_t longest = 0;
    memcpy(&count, header + 8, sizeof count);
    for (uint32_t i = 0; i < count; i++) {
        uintptr_t fde = m.frame_info + (uintptr_t)(intptr_t)table[2 * i + 1];
        uint32_t n = *(const uint32_t *)fde;
        longest = n > longest ? n : longest;
        if (!check_fde(&check, fde, 0) && refused++ < SHOWN_MAX) {
            printf("%s: refuses the FDE at %lx\n", path, fde - m.lo);
        }
    }
    printf("%s: %u FDEs, the longest of %u bytes, %u refused\n", path, count, longest, refused);
    sys_unmap((void *)m.lo, m.hi - m.lo);
    return refused == 0 && count > 0;
}

int main(int argc, char **argv)
{
    bool all = argc > 1;
    for (int i = 1; i < argc; i++) {
        all &= accepts(argv[i]);
    }
    return !all;
}
