/* SPDX-License-Identifier: MIT
 *
 * Look-ups of symbols, for libc.h. There are two ways. By the dynamic linker (dlsym and its kin):
 * exact, but it takes the dynamic linker's lock, and one that fails allocates and replaces what the
 * program's next dlerror() is to tell. Past the dynamic linker, through its list of loaded objects:
 * for first uses at any time, where the calling thread may be one that another thread, which holds
 * that lock inside dlopen, is waiting for.
 *
 * The list is read without a lock: dlopen appends to it, and an object that is being closed is not
 * calling us.
 */
#include "collectors/base/libc/glibc_elf.h"
#include "collectors/base/libc/libc.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <string.h>

/* ---- by the dynamic linker ---- */

/* dlsym() and its kin themselves, as libc has them: a library that was preloaded before us may
 * define them, to see the look-ups of the program, and "next" means next behind that library then.
 */
static struct linker {
    __typeof__(dlsym) *dlsym;
    __typeof__(dlvsym) *dlvsym;
    __typeof__(dladdr) *dladdr;
    __typeof__(dladdr1) *dladdr1;
    __typeof__(dlerror) *dlerror;
} linker_of_libc = {dlsym, dlvsym, dladdr, dladdr1, dlerror};

static void linker_set(void *field, const struct link_map *libc, const char *name)
{
    void *found = elf_symbol(libc, name);
    if (found) {
        memcpy(field, &found, sizeof found);
    }
}

/* Threads that look at once write the same. */
static const struct linker *linker(void)
{
    static bool known;
    struct libc_object libc;
    if (!LOAD_ACQUIRE(&known)) {
        if (libc_object_find(&libc, (uintptr_t)&gnu_get_libc_version)) {
            linker_set(&linker_of_libc.dlsym, libc.handle, "dlsym");
            linker_set(&linker_of_libc.dlvsym, libc.handle, "dlvsym");
            linker_set(&linker_of_libc.dladdr, libc.handle, "dladdr");
            linker_set(&linker_of_libc.dladdr1, libc.handle, "dladdr1");
            linker_set(&linker_of_libc.dlerror, libc.handle, "dlerror");
        }
        STORE_RELEASE(&known, true);
    }
    return &linker_of_libc;
}

/* RTLD_NEXT means "behind the object that holds the return address of this dlsym()", so no function
 * here may end in a jump to dlsym(): it would return into the caller's object. */
void *libc_next(const char *name)
{
    void *volatile p = linker()->dlsym(RTLD_NEXT, name);
    return p;
}

void *libc_next_quiet(const char *name)
{
    void *p = linker()->dlsym(RTLD_NEXT, name);
    if (!p) {
        linker()->dlerror();
    }
    return p;
}

void *libc_next_version(const char *name, const char *version)
{
    void *p = linker()->dlvsym(RTLD_NEXT, name, version);
    if (!p) {
        linker()->dlerror();
    }
    return p;
}

/* Whether the object of a comes before that of b in the look-up order. */
static bool comes_first(const void *a, const void *b)
{
    Dl_info info;
    struct link_map *first = NULL;
    struct link_map *other = NULL;
    if (!linker()->dladdr1(a, &info, (void **)&first, RTLD_DL_LINKMAP) ||
        !linker()->dladdr1(b, &info, (void **)&other, RTLD_DL_LINKMAP)) {
        return false;
    }
    while (first && first != other) {
        first = first->l_next;
    }
    return first == other && a != b;
}

/* dlsym() passes over what only references with a version see, and dlvsym() what has no version. */
void *libc_next_of_either(const char *name, const char *version)
{
    void *plain = linker()->dlsym(RTLD_NEXT, name);
    void *versioned = plain ? linker()->dlvsym(RTLD_NEXT, name, version) : NULL;
    return versioned && versioned != plain && comes_first(versioned, plain) ? versioned : plain;
}

/* Where a program that is not position-independent takes a function's address, the name's canonical
 * address is a stub in the program itself: then the symbol found is an undefined one, and the stub
 * leads to us. */
bool libc_binds_to_us(const char *name)
{
    void *in_force = linker()->dlsym(RTLD_DEFAULT, name);
    Dl_info ours;
    Dl_info theirs;
    const ElfW(Sym) *symbol = NULL;
    if (!linker()->dladdr((void *)&libc_binds_to_us, &ours) ||
        !linker()->dladdr1(in_force, &theirs, (void **)&symbol, RTLD_DL_SYMENT)) {
        return false;
    }
    return ours.dli_fbase == theirs.dli_fbase || (symbol && symbol->st_shndx == SHN_UNDEF);
}

const char *libc_own_path(void)
{
    Dl_info ours;
    return linker()->dladdr((void *)&libc_own_path, &ours) ? ours.dli_fname : NULL;
}

void *libc_before_us(const char *name, const void *ours)
{
    void *in_force = linker()->dlsym(RTLD_DEFAULT, name);
    return in_force == ours || libc_binds_to_us(name) ? NULL : in_force;
}

bool libc_function_extent(const void *p, uintptr_t *lo, uintptr_t *hi)
{
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    if (!linker()->dladdr1(p, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol ||
        !symbol->st_size) {
        return false;
    }
    *lo = (uintptr_t)info.dli_saddr;
    *hi = *lo + symbol->st_size;
    return true;
}

/* ---- past the dynamic linker ---- */

void *libc_find_after_us(const char *name)
{
    struct libc_object ours;
    void *p = NULL;
    if (!libc_object_find(&ours, (uintptr_t)&libc_find_after_us)) {
        return NULL;
    }
    const struct link_map *m = ours.handle;
    for (m = m->l_next; m && !p; m = m->l_next) {
        p = elf_symbol(m, name);
    }
    return p;
}

void *libc_find_from(const void *caller, const char *name)
{
    struct libc_object theirs;
    struct libc_object ours;
    if (!libc_object_find(&theirs, (uintptr_t)caller) ||
        !libc_object_find(&ours, (uintptr_t)&libc_find_from)) {
        return NULL;
    }
    const struct link_map *from = theirs.handle;
    const struct link_map *m = from;
    bool around = false;
    do {
        void *p = m == ours.handle ? NULL : elf_symbol(m, name);
        if (p) {
            return p;
        }
        m = m->l_next; /* what an object needs was loaded after it, as a rule */
        if (!m && !around) {
            around = true;
            for (m = from; m->l_prev; m = m->l_prev) {
            }
        }
    } while (m && !(around && m == from));
    return NULL;
}
