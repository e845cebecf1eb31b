/* SPDX-License-Identifier: MIT
 *
 * libunwind, opened beside the program and kept from touching it. It is used as a debugger would
 * use it, through a "remote" address space whose accessors are the functions of this file, because
 * its local interface keeps 256 KiB a thread, is not reentrant and probes memory with a pipe.
 *
 * What remains of libc in it is taken away by redirecting its imports: the remote interface still
 * opens that pipe when first used, takes an address space from malloc, and changes the signal mask
 * twice and takes a pthread mutex at every allocation from its pools, which would be our own hooks'
 * when they interpose those. On our private stack signals are blocked already, and nothing wants a
 * pipe. A program that uses the same library itself keeps what it expects, only its pool locks
 * become spin locks.
 *
 * Everything here but libunwind_open runs under the rules lock, on the private stack.
 */
#include "collectors/rules_libunwind.h"

#include "collectors/base/sys.h"
#include "collectors/rules_imports.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char rules_stack[RULES_STACK_BYTES] __attribute__((aligned(PAGE_BYTES)));

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

/* Reads of a step. An ordinary one needs 200 to 300; the frame information of the largest functions
 * has some thousand bytes. Bounds what a hostile loop of expressions can cost to about 130 µs. */
enum { READS_MAX = 1 << 16 };

static bool on_private_stack(void)
{
    return (uintptr_t)__builtin_frame_address(0) - (uintptr_t)rules_stack < sizeof rules_stack;
}

/* libunwind's imports, as they are after libunwind_open. */

static int own_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    return on_private_stack() ? 0 : sigprocmask(how, set, old);
}

static int own_pipe2(int *fd, int flags)
{
    return on_private_stack() ? -1 : pipe2(fd, flags);
}

/* For the address space, 26 KiB of which nearly nothing is ever touched. */
static void *own_calloc(size_t n, size_t bytes)
{
    return on_private_stack() ? sys_map(n * bytes) : calloc(n, bytes);
}

/* Both halves are replaced together, so any lock will do: the mutex's first word is 0 when free. It
 * is held for a few instructions with signals blocked. */
static int own_mutex_lock(pthread_mutex_t *m)
{
    while (__atomic_exchange_n((int *)m, 1, __ATOMIC_ACQUIRE)) {
        sys_call0(SYS_sched_yield);
    }
    return 0;
}

static int own_mutex_unlock(pthread_mutex_t *m)
{
    STORE_RELEASE((int *)m, 0);
    return 0;
}

/* Whether the page of addr may be read. Modules are only read where their frame information is, and
 * that stays while they are loaded, so the answer is remembered: a page that could be read has its
 * number here, above the generation in which that was so. Direct-mapped, under the rules lock. */
static bool page_readable(uintptr_t addr)
{
    static uintptr_t seen[64];
    uintptr_t page = addr & ~(PAGE_BYTES - 1);
    uintptr_t *slot = &seen[addr / PAGE_BYTES % ARRAY_LEN(seen)];
    uintptr_t mark = page | (rules_generation() & (PAGE_BYTES - 1));
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
    if (write || reg < 0 || reg >= QUERY_REGS || !(q->known & 1U << reg)) {
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

/* Bytes of an encoded pointer in .eh_frame_hdr; -1 = a form that linkers do not write. */
static int encoded_bytes(uint8_t encoding)
{
    switch (encoding & 0x0f) {
    case 0x00: /* DW_EH_PE_absptr */
    case 0x04: /* udata8 */
    case 0x0c: /* sdata8 */
        return 8;
    case 0x03: /* udata4 */
    case 0x0b: /* sdata4 */
        return 4;
    default:
        return -1;
    }
}

/* The sorted table of .eh_frame_hdr, as linkers write it: version 1, count udata4, entries of two
 * sdata4 relative to the header. */
static bool table_of(const struct module *m, unw_dyn_info_t *di)
{
    if (!in_module(m, m->frame_info, 16) || !page_readable(m->frame_info) ||
        !page_readable(m->frame_info + 15)) {
        return false;
    }
    const uint8_t *hdr = (const uint8_t *)m->frame_info; /* NOLINT: given as an address */
    int ptr_bytes = encoded_bytes(hdr[1]);
    if (hdr[0] != 1 || ptr_bytes < 0 || hdr[2] != 0x03 || hdr[3] != 0x3b) {
        return false;
    }
    uint32_t count;
    memcpy(&count, hdr + 4 + ptr_bytes, sizeof count);
    uintptr_t table = m->frame_info + 4 + (unsigned)ptr_bytes + sizeof count;
    if (!in_module(m, table, (size_t)count * 8)) {
        return false;
    }
    memset(di, 0, sizeof *di);
    di->start_ip = m->lo;
    di->end_ip = m->hi;
    di->format = UNW_INFO_FORMAT_REMOTE_TABLE;
    di->u.rti.segbase = m->frame_info;
    di->u.rti.table_data = table;
    di->u.rti.table_len = count; /* in words, and an entry is one */
    return true;
}

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *info, int need,
                          void *arg)
{
    struct query *q = arg;
    if (q->info_kept) {
        /* Of this format libunwind gives nothing back to its pool. */
        *info = q->info;
        info->format = UNW_INFO_FORMAT_REMOTE_TABLE;
        info->unwind_info = q->info_data;
        q->found = true;
        return 0;
    }
    unw_dyn_info_t di;
    q->found = true; /* reading may begin */
    if (!table_of(&q->module, &di)) {
        q->found = false;
        return -UNW_ENOINFO;
    }
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

/* Called at the first question, not before: it costs 50 µs, which programs that are over before
 * anything is sampled need not pay. Nothing in it is unsafe in a handler, see own_pipe2 and
 * own_calloc. */
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
    space = lib.create_addr_space(&accessors, 0);
    return space && lib.set_caching_policy(space, UNW_CACHE_NONE) == 0;
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
    if (UNLIKELY(!space && !create_space())) {
        return -1;
    }
    if (lib.init_remote(&cursor, space, q) < 0) {
        return -1;
    }
    int ret = lib.step(&cursor);
    if (!q->found) {
        return -1; /* what libunwind guesses without frame information is no rule */
    }
    if (ret <= 0) {
        return ret;
    }
    q->signal_frame = lib.is_signal_frame(&cursor) > 0;
    bool refused = q->refused;
    bool lost = q->lost;
    for (unsigned reg = 0; reg < QUERY_REGS; reg++) {
        unw_word_t v;
        if (q->wanted & 1U << reg && lib.get_reg(&cursor, (int)reg, &v) == 0) {
            q->out[reg] = v;
            q->out_known |= 1U << reg;
        }
    }
    q->refused = refused; /* by the step itself; a register that it leaves unknown is no failure */
    q->lost = lost;
    return 1;
}

int libunwind_open(void)
{
    void *handle = dlopen("libunwind-x86_64.so.8", RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        return -ENOENT;
    }
    const struct {
        const char *name;
        void *at; /* a pointer to function, of whatever type */
    } symbols[] = {
        {"_Ux86_64_create_addr_space", &lib.create_addr_space},
        {"_Ux86_64_set_caching_policy", &lib.set_caching_policy},
        {"_Ux86_64_init_remote", &lib.init_remote},
        {"_Ux86_64_step", &lib.step},
        {"_Ux86_64_get_reg", &lib.get_reg},
        {"_Ux86_64_is_signal_frame", &lib.is_signal_frame},
        {"_Ux86_64_dwarf_search_unwind_table", &lib.search_unwind_table},
    };
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        void *f = dlsym(handle, symbols[i].name);
        if (!f) {
            return -ENOSYS;
        }
        memcpy(symbols[i].at, &f, sizeof f);
    }
    const struct import imports[] = {
        {"sigprocmask", (uintptr_t)own_sigprocmask},
        {"pipe2", (uintptr_t)own_pipe2},
        {"calloc", (uintptr_t)own_calloc},
        {"pthread_mutex_lock", (uintptr_t)own_mutex_lock},
        {"pthread_mutex_unlock", (uintptr_t)own_mutex_unlock},
    };
    const struct link_map *module = handle; /* what glibc's handles are */
    return imports_redirect(module, imports, ARRAY_LEN(imports));
}
