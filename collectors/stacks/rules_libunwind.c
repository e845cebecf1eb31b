/* SPDX-License-Identifier: MIT
 *
 * See rules_libunwind.h. libunwind is mapped apart from the program's libraries (rules_image.h) and
 * used as a debugger uses it: through a "remote" address space whose accessors are functions of
 * this file. Its local interface would not do: it keeps 256 KiB a thread, is not reentrant, and
 * probes memory with a pipe. Nor does libunwind call libc: the functions that it imports are in
 * this file. Its locks and signal masks need nothing, because the rules lock is held and signals
 * are blocked; pipes and files are refused; memory comes from the kernel; abort() ends the step as
 * failed.
 *
 * Everything here but libunwind_find() runs under the rules lock, on the private stack.
 */
#include "collectors/stacks/rules_libunwind.h"

#include "collectors/base/sys.h"
#include "collectors/stacks/rules_check.h"
#include "collectors/stacks/rules_generation.h"
#include "collectors/stacks/rules_image.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

char rules_stack[RULES_STACK_BYTES] __attribute__((aligned(ARCH_PAGE_LEAST)));

static struct {
    __typeof(unw_create_addr_space) *create_addr_space;
    __typeof(unw_set_caching_policy) *set_caching_policy;
    __typeof(unw_init_remote) *init_remote;
    __typeof(unw_step) *step;
    __typeof(unw_get_reg) *get_reg;
    __typeof(unw_is_signal_frame) *is_signal_frame;
    int (*search_unwind_table)(unw_addr_space_t, unw_word_t, unw_dyn_info_t *, unw_proc_info_t *,
                               int, void *);
} lib;
static unw_addr_space_t space;
static bool tried; /* to make the address space */
static const char *library_path;

/* How many reads a step may make. An ordinary one makes 200 to 300; the frame information of the
 * largest functions has some thousand bytes. So a hostile expression costs at most 130 µs. */
enum { READS_MAX = 1 << 16 };

/* ---- the functions that libunwind imports, instead of libc's ---- */

static void *escape[5]; /* __builtin_longjmp's buffer: where import_abort() returns to */

static __attribute__((noreturn)) void import_abort(void)
{
    __builtin_longjmp(escape, 1);
}

/* For locks, masks, free and munmap: does nothing, and succeeds. */
static int import_granted(void)
{
    return 0;
}

/* For all other functions (files, pipes, compressed symbols, the local interface): fails. */
static long import_refused(void)
{
    return -1;
}

static int *import_errno_location(void)
{
    static int number;
    return &number;
}

static void *import_tls_get_addr(void)
{
    static char block[64] __attribute__((aligned(16)));
    return block;
}

static int import_getpagesize(void)
{
    return (int)PAGE_BYTES;
}

/* For the address space object, 26 KiB of which little is ever touched, and for pools; never freed.
 */
static void *import_calloc(size_t n, size_t bytes)
{
    return sys_map(n * bytes);
}

static void *import_malloc(size_t bytes)
{
    return sys_map(bytes);
}

static void *import_mmap(void *at, size_t bytes)
{
    (void)at;
    void *p = sys_map(bytes);
    if (!p) {
        import_abort(); /* libunwind would go on with the failed mmap's result */
    }
    return p;
}

static const struct import imports[] = {
    {"abort", import_abort},
    {"pthread_mutex_lock", import_granted},
    {"pthread_mutex_unlock", import_granted},
    {"pthread_mutex_init", import_granted},
    {"sigprocmask", import_granted},
    {"sigfillset", import_granted},
    {"__errno_location", import_errno_location},
    {"__tls_get_addr", import_tls_get_addr},
    {"getpagesize", import_getpagesize},
    {"calloc", import_calloc},
    {"malloc", import_malloc},
    {"free", import_granted},
    {"mmap", import_mmap},
    {"munmap", import_granted},
    {"memcpy", memcpy},
    {"memmove", memmove},
    {"memset", memset},
    {"memchr", memchr},
    {"strcmp", strcmp},
    {"strlen", strlen},
};

/* ---- the accessors that libunwind calls ---- */

/* Whether the page of addr, in a module, can be read. Modules are read only where their frame
 * information is, which stays as long as they are loaded. So the answer is kept, in a direct-mapped
 * cache: an element is the address of a page that could be read, and in the bits below it those of
 * the generation in which that was found. */
static bool page_readable(uintptr_t addr)
{
    static uintptr_t seen[64];
    uintptr_t page = addr & ~(ARCH_PAGE_LEAST - 1);
    uintptr_t *slot = &seen[addr / ARCH_PAGE_LEAST % ARRAY_LEN(seen)];
    uintptr_t mark = page | (rules_generation() & (ARCH_PAGE_LEAST - 1));
    if (LIKELY(*slot == mark)) {
        return true;
    }
    if (!sys_readable(page)) {
        return false;
    }
    *slot = mark;
    return true;
}

static bool in_module(const struct module *m, uintptr_t addr, size_t n)
{
    return addr >= m->lo && addr < m->hi && m->hi - addr >= n;
}

static int access_mem(unw_addr_space_t as, unw_word_t addr, unw_word_t *val, int write, void *arg)
{
    (void)as;
    struct query *q = arg;
    if (UNLIKELY(write || !q->found || --q->reads_left < 0)) {
        return -UNW_EINVAL;
    }
    if (LIKELY(addr == q->word_at)) {
        *val = q->word;
        return 0;
    }
    if (LIKELY(in_module(&q->module, addr, sizeof *val)) && !(addr % sizeof *val) &&
        page_readable(addr)) {
        *val = *(const unw_word_t *)addr; /* NOLINT: libunwind speaks in integers */
        q->word_at = addr;
        q->word = *val;
        return 0;
    }
    if (q->mem.load(q->mem.arg, addr, val)) {
        return 0;
    }
    q->refused = true;
    return -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t as, unw_regnum_t reg, unw_word_t *val, int write, void *arg)
{
    (void)as;
    struct query *q = arg;
    if (write || reg < 0 || reg >= ARCH_UNW_REGS || !(q->known & 1ULL << reg)) {
        q->refused = true;
        q->lost = true;
        return -UNW_EBADREG;
    }
    *val = q->reg[reg];
    return 0;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t reg, unw_fpreg_t *val, int write,
                        void *arg)
{
    (void)as, (void)reg, (void)val, (void)write, (void)arg;
    return -UNW_EBADREG;
}

static int get_dyn_info_list_addr(unw_addr_space_t as, unw_word_t *addr, void *arg)
{
    (void)as, (void)addr, (void)arg;
    return -UNW_ENOINFO;
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *info, void *arg)
{
    (void)as, (void)info, (void)arg;
}

static int resume(unw_addr_space_t as, unw_cursor_t *cursor, void *arg)
{
    (void)as, (void)cursor, (void)arg;
    return -UNW_EINVAL;
}

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *info, int need,
                          void *arg)
{
    struct query *q = arg;
    if (q->info_kept) {
        /* libunwind does not try to free unwind_info if the format is this one. */
        *info = q->info;
        info->format = UNW_INFO_FORMAT_REMOTE_TABLE;
        info->unwind_info = q->info_data;
        q->found = true;
        return 0;
    }
    /* libunwind's own binary search would call access_mem for every byte. So it is given a table of
     * one entry, the one that check_find() has found and checked. */
    const struct check check = {&q->module, page_readable, &q->expressions};
    uintptr_t entry = check_find(&check, ip);
    if (!entry) {
        return -UNW_ENOINFO;
    }
    unw_dyn_info_t di = {
        .start_ip = q->module.lo,
        .end_ip = q->module.hi,
        .format = UNW_INFO_FORMAT_REMOTE_TABLE,
        .u.rti = {.segbase = q->module.frame_info, .table_data = entry, .table_len = 1},
    };
    q->found = true; /* from now on access_mem() reads memory */
    int ret = lib.search_unwind_table(as, ip, &di, info, need, q);
    if (ret < 0) {
        q->found = false;
        return -UNW_ENOINFO;
    }
    if (info->unwind_info && info->unwind_info_size > 0 &&
        (size_t)info->unwind_info_size <= sizeof q->info_data) {
        q->info = *info;
        memcpy(q->info_data, info->unwind_info, (size_t)info->unwind_info_size);
        q->info_kept = true;
    }
    return 0;
}

static bool symbols_find(const struct image *image)
{
    const struct {
        const char *name;
        void *at; /* a pointer to function, of whatever type */
    } symbols[] = {
        {ARCH_LIBUNWIND("create_addr_space"), &lib.create_addr_space},
        {ARCH_LIBUNWIND("set_caching_policy"), &lib.set_caching_policy},
        {ARCH_LIBUNWIND("init_remote"), &lib.init_remote},
        {ARCH_LIBUNWIND("step"), &lib.step},
        {ARCH_LIBUNWIND("get_reg"), &lib.get_reg},
        {ARCH_LIBUNWIND("is_signal_frame"), &lib.is_signal_frame},
        {ARCH_LIBUNWIND("dwarf_search_unwind_table"), &lib.search_unwind_table},
    };
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        void *f = image_symbol(image, symbols[i].name);
        if (!f) {
            return false;
        }
        memcpy(symbols[i].at, &f, sizeof f);
    }
    return true;
}

/* Maps libunwind and makes the address space. Tried once. Not always in the constructor, because
 * most processes that a shell starts end before anything is sampled. */
static COLD bool create_space(void)
{
    static unw_accessors_t accessors = {
        .find_proc_info = find_proc_info,
        .put_unwind_info = put_unwind_info,
        .get_dyn_info_list_addr = get_dyn_info_list_addr,
        .access_mem = access_mem,
        .access_reg = access_reg,
        .access_fpreg = access_fpreg,
        .resume = resume,
    };
    static struct image image;
    if (tried || !library_path) {
        return false;
    }
    tried = true;
    if (image_map(&image, library_path, imports, ARRAY_LEN(imports), import_refused) != 0 ||
        !symbols_find(&image) || __builtin_setjmp(escape)) {
        return false;
    }
    space = lib.create_addr_space(&accessors, 0);
    return space && lib.set_caching_policy(space, UNW_CACHE_NONE) == 0;
}

bool libunwind_load(void)
{
    return space || create_space();
}

void libunwind_forget(void)
{
    space = NULL;
    tried = false;
}

int query_step(struct query *q)
{
    unw_cursor_t cursor;
    q->found = false;
    q->refused = false;
    q->lost = false;
    q->signal_frame = false;
    q->out_known = 0;
    q->word_at = 0;
    q->reads_left = READS_MAX;
    if (!libunwind_load() || __builtin_setjmp(escape)) {
        return -1;
    }
    if (lib.init_remote(&cursor, space, q) < 0) {
        return -1;
    }
    int ret = lib.step(&cursor);
    if (!q->found) {
        return -1; /* without frame information libunwind guesses, which is of no use here */
    }
    if (ret <= 0) {
        return ret;
    }
    q->signal_frame = lib.is_signal_frame(&cursor) > 0;
    bool refused = q->refused;
    bool lost = q->lost;
    for (unsigned reg = 0; reg < ARCH_UNW_REGS; reg++) {
        unw_word_t v;
        if (q->wanted & 1ULL << reg && lib.get_reg(&cursor, (int)reg, &v) == 0) {
            q->out[reg] = v;
            q->out_known |= 1ULL << reg;
        }
    }
    q->refused = refused; /* as the step left them: get_reg of an unknown register sets them too */
    q->lost = lost;
    return 1;
}

bool query_function(const struct module *m, uintptr_t pc, uintptr_t *lo, uintptr_t *hi)
{
    const struct check check = {m, page_readable, NULL};
    return check_function(&check, pc, lo, hi);
}

int libunwind_find(void)
{
    static const char *const paths[] = {ARCH_LIBUNWIND_PATHS};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (sys_call4(SYS_faccessat, AT_FDCWD, paths[i], R_OK, 0) == 0) {
            library_path = paths[i];
            return 0;
        }
    }
    return -ENOENT;
}
