/* SPDX-License-Identifier: MIT
 * A program that moves its own code to anonymous memory, as programs do to have it on huge pages,
 * and allocates 1,000 times 100 bytes from there. Run by e2e/names_layouts.py.
 */
#include "truth.h"
#include <link.h>
#include <sys/mman.h>

SITE void moved_alloc(void)
{
    for (int i = 0; i < 1000; i++)
        keep(malloc(100));
}

static int move(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
            continue;
        char *at = (char *)((info->dlpi_addr + p->p_vaddr) & ~4095UL);
        size_t bytes = (p->p_memsz + (p->p_vaddr & 4095) + 4095) & ~4095UL;
        char *copy = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (copy == MAP_FAILED)
            exit(1);
        memcpy(copy, at, bytes);
        mprotect(copy, bytes, PROT_READ | PROT_EXEC);
        /* The call is in libc: its return finds the same code at the same place. */
        if (mremap(copy, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
            exit(2);
    }
    return 1; /* dl_iterate_phdr's first object is the program: stop there */
}

int main(void)
{
    dl_iterate_phdr(move, NULL);
    moved_alloc();
    return 0;
}
