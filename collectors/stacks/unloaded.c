/* SPDX-License-Identifier: MIT
 *
 * See unloaded.h. A module is identified by the address of its ELF header and a hash of the bytes
 * there, which mostly include its build id. `known` lists every module that was met at an address
 * from which a module had been unloaded; `left` lists those of them that were unloaded themselves,
 * in that order. Both lists only grow. An element is complete before it is in `known`, but for the
 * fields that are set when the module is unloaded; these are complete before it is in `left`.
 */
#include "collectors/stacks/unloaded.h"

#include "collectors/base/arena.h"
#include "collectors/base/hash.h"
#include "collectors/base/libc/libc.h"
#include "collectors/base/lock_wait.h"
#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "collectors/tables/stack_store.h"

#include <errno.h>
#include <string.h>

enum {
    SEGMENTS = 4,     /* code segments of a module: GNU ld makes one, lld and BOLT up to three */
    HEAD = 1024,      /* bytes of a module that are hashed */
    LOOKS = 4,        /* dlcloses at once, by threads or in each other's destructors */
    LOOKED_AT = 512,  /* loaded modules that a dlclose compares */
    NAMES = 64 << 10, /* bytes of their names */
    SEEN = 64,        /* a power of two */
    PATH = 512,
    MODULE_BITS = 16,
};

struct unloaded_module {
    uintptr_t header;
    uint64_t print;
    uint32_t number; /* index in known, + 1 */
    /* Set when the module is unloaded: */
    uintptr_t start, limit;
    const char *file;
    unsigned char build_id[PAST_ID_MAX];
    uint32_t build_id_bytes, segments;
    struct {
        uintptr_t start, limit;
        uint64_t offset;
    } segment[SEGMENTS];
};

uint32_t unloaded_count;
static struct unloaded_module *known[UNLOADED_MAX], *left[UNLOADED_MAX];
static uint32_t known_count;
static uintptr_t hull_lo = UINTPTR_MAX, hull_hi; /* all unloaded code was in [hull_lo, hull_hi) */

/* ---- known modules ---- */

static uint64_t print_of(const uint64_t head[HEAD / 8])
{
    uint64_t h = HASH_FNV_BEGIN;
    for (int i = 0; i < HEAD / 8; i++) {
        h = hash_fnv(h, head[i]); /* a word at a time, and so with a shift of its own */
        h ^= h >> 32;
    }
    return h;
}

static struct unloaded_module *known_find(uintptr_t header, uint64_t print)
{
    uint32_t n = LOAD(&known_count);
    for (uint32_t i = 0; i < n && i < UNLOADED_MAX; i++) {
        struct unloaded_module *m = LOAD_ACQUIRE(&known[i]);
        if (m && m->header == header && m->print == print) {
            return m;
        }
    }
    return NULL;
}

/* The element of a module, added if need be. Two threads that meet a module at the same time may
 * both add it, under two numbers. NULL: the list is full, or no memory. */
static struct unloaded_module *known_add(uintptr_t header, uint64_t print)
{
    struct unloaded_module *m = known_find(header, print);
    if (m || LOAD(&known_count) >= UNLOADED_MAX) {
        return m;
    }
    m = arena_alloc(sizeof *m);
    uint32_t i = m ? ADD(&known_count, 1) : UNLOADED_MAX;
    if (i >= UNLOADED_MAX) {
        return NULL;
    }
    m->header = header;
    m->print = print;
    m->number = i + 1;
    STORE_RELEASE(&known[i], m);
    return m;
}

/* ---- where a stack is taken ---- */

/* A cache of occupant(): which module was found at a header's address since the last unloading.
 * From the high bits: the address's page number, the low bits of `unloadings`, the module's number.
 */
static uint64_t seen[SEEN];

static uint64_t *seen_slot(uintptr_t header)
{
    return &seen[hash_high(header / ARCH_PAGE_LEAST) >> 58];
}

static uint64_t seen_key(uintptr_t header, uint32_t unloadings)
{
    return (uint64_t)header << MODULE_BITS | (unloadings % ARCH_PAGE_LEAST) << MODULE_BITS;
}
_Static_assert(SEEN == 1 << (64 - 58), "the shift in seen_slot");
_Static_assert(ARCH_ADDRESS_BITS + MODULE_BITS <= 64, "the shift in seen_key");

static uint32_t unloadings; /* how many dlcloses have unloaded modules */

/* The number of the module at `address`, or PC_NO_MODULE. */
static uint32_t occupant(uintptr_t address)
{
    struct libc_object object;
    uint32_t now = LOAD(&unloadings);
    if (!libc_object_find(&object, address)) {
        return PC_NO_MODULE;
    }
    uintptr_t header = object.lo;
    uint64_t *slot = seen_slot(header);
    uint64_t key = seen_key(header, now);
    uint64_t found = LOAD(slot);
    if (found >> MODULE_BITS == key >> MODULE_BITS) {
        return found & ((1U << MODULE_BITS) - 1);
    }
    uint64_t head[HEAD / 8];
    if (sys_read_memory(head, header, sizeof head) != 0) {
        return PC_NO_MODULE;
    }
    const struct unloaded_module *m = known_add(header, print_of(head));
    uint32_t number = m ? m->number : PC_NO_MODULE;
    STORE(slot, key | number);
    return number;
}

static const struct unloaded_module *first_that_left(uintptr_t address)
{
    uint32_t n = LOAD_ACQUIRE(&unloaded_count);
    for (uint32_t i = 0; i < n; i++) {
        if (left[i]->start <= address && address < left[i]->limit) {
            return left[i];
        }
    }
    return NULL;
}

/* For an address at which no module is loaded: the module last unloaded from there, if the address
 * cannot be read. Then the module was unloaded after the walk had read the address; at the address
 * of a JIT compiler's code, memory can be read. */
static uint32_t that_has_just_left(uintptr_t address)
{
    uint32_t number = PC_NO_MODULE;
    uint32_t n = sys_readable(address) ? 0 : LOAD_ACQUIRE(&unloaded_count);
    for (uint32_t i = 0; i < n; i++) {
        if (left[i]->start <= address && address < left[i]->limit) {
            number = left[i]->number;
        }
    }
    return number;
}

void unloaded_mark_slow(uintptr_t *pcs, int n)
{
    uintptr_t lo = LOAD(&hull_lo);
    uintptr_t hi = LOAD(&hull_hi);
    for (int i = 0; i < n; i++) {
        uintptr_t address = pcs[i] - 1;
        if (address < lo || address >= hi || pcs[i] < PSEUDO_PC_LIMIT) {
            continue;
        }
        const struct unloaded_module *first = first_that_left(address);
        uint32_t number = first ? occupant(address) : 0;
        if (UNLIKELY(number == PC_NO_MODULE)) {
            number = that_has_just_left(address);
        }
        if (first && number != first->number) {
            pcs[i] |= (uintptr_t)number << PC_MODULE_SHIFT;
        }
    }
}

/* ---- around dlclose ---- */

struct looked_at {
    struct unloaded_module module;
    uint32_t name; /* where its name begins in names */
    bool is_there; /* it is still loaded after the dlclose */
};

struct unloaded_look {
    uint32_t taken;
    uint32_t count, cursor;
    uint32_t names_used;
    unsigned long long unloaded; /* dlpi_subs, which counts unloaded modules, before the dlclose */
    bool nothing_left;           /* the dlclose has unloaded no module */
    char names[NAMES];
    struct looked_at module[LOOKED_AT];
};

static struct unloaded_look *looks[LOOKS];
static uint32_t looks_taken[LOOKS];

struct unloaded_look *unloaded_look_begin(void)
{
    for (int i = 0; i < LOOKS && stack_any(); i++) {
        if (__atomic_exchange_n(&looks_taken[i], 1, __ATOMIC_ACQUIRE)) {
            continue;
        }
        struct unloaded_look *look = looks[i];
        if (!look && (look = sys_map(sizeof *look))) {
            looks[i] = look;
        }
        if (look) {
            look->taken = (uint32_t)i;
            look->count = look->cursor = look->names_used = 0;
            look->nothing_left = true;
            return look;
        }
        STORE_RELEASE(&looks_taken[i], 0);
        return NULL;
    }
    return NULL;
}

static bool has_code(const ElfW(Phdr) * p)
{
    return p->p_type == PT_LOAD && (p->p_flags & PF_X);
}

/* The address of the module's ELF header; 0 = it is not mapped. */
static uintptr_t header_of(const struct dl_phdr_info *info)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && p->p_offset < PAGE_BYTES && p->p_filesz >= HEAD) {
            return (info->dlpi_addr + p->p_vaddr - p->p_offset) & ~(PAGE_BYTES - 1);
        }
    }
    return 0;
}

static uint64_t print_at(uintptr_t header)
{
    uint64_t head[HEAD / 8];
    memcpy(head, (const void *)header, sizeof head); /* NOLINT: the linker's lock keeps it loaded */
    return print_of(head);
}

static void read_build_id(struct unloaded_module *m, uintptr_t at, uintptr_t end)
{
    while (at + sizeof(ElfW(Nhdr)) <= end) {
        const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at; /* NOLINT */
        uintptr_t desc = at + sizeof *note + ((note->n_namesz + 3) & ~3UL);
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
            memcmp(note + 1, ELF_NOTE_GNU, 4) == 0) {
            if (note->n_descsz <= PAST_ID_MAX && desc + note->n_descsz <= end) {
                m->build_id_bytes = note->n_descsz;
                memcpy(m->build_id, (const void *)desc, note->n_descsz); /* NOLINT */
            }
            return;
        }
        at = desc + ((note->n_descsz + 3) & ~3UL);
    }
}

static void read_segments(struct unloaded_module *m, const struct dl_phdr_info *info)
{
    m->start = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + p->p_vaddr;
        uintptr_t first = at & ~(PAGE_BYTES - 1);
        uintptr_t limit = (at + p->p_memsz + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
        if (p->p_type == PT_NOTE && m->build_id_bytes == 0) {
            read_build_id(m, at, at + p->p_filesz);
        }
        if (has_code(p) && m->segments < SEGMENTS) {
            m->segment[m->segments].start = first;
            m->segment[m->segments].limit = limit;
            m->segment[m->segments++].offset = p->p_offset & ~(PAGE_BYTES - 1);
            m->start = first < m->start ? first : m->start;
            m->limit = limit > m->limit ? limit : m->limit;
        }
    }
}

/* Adds the module's name to the look. A relative name was relative to the working folder at the
 * time of the dlopen: the kernel knows the file's full name, and if it does not say, the folder is
 * taken to be the present one. */
static void add_name(struct unloaded_look *look, struct looked_at *l, const char *name)
{
    struct text t = text_in(look->names + look->names_used, NAMES - look->names_used);
    l->name = look->names_used;
    if (name[0] != '/' && name[0] != '\0') {
        char link[96];
        struct text where = text_in(link, sizeof link);
        text_add(&where, "/proc/self/map_files/");
        text_add_hex(&where, l->module.segment[0].start);
        text_add(&where, "-");
        text_add_hex(&where, l->module.segment[0].limit);
        char path[PATH];
        long n = sys_call4(SYS_readlinkat, AT_FDCWD, link, path, sizeof path);
        if (n > 0) {
            text_add_n(&t, path, (size_t)n);
        } else {
            n = sys_call2(SYS_getcwd, path, sizeof path);
            text_add_n(&t, path, n > 0 ? (size_t)n - 1 : 0);
            text_add(&t, "/");
            text_add(&t, name);
        }
    } else {
        text_add(&t, name);
    }
    look->names_used += (uint32_t)strlen(look->names + look->names_used) + 1;
}

int unloaded_before(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct unloaded_look *look = arg;
    uintptr_t header = header_of(info);
    (void)size;
    look->unloaded = info->dlpi_subs;
    if (header == 0 || info->dlpi_name[0] == '\0') { /* the vDSO, or the program itself */
        return 0;
    }
    if (look->count == LOOKED_AT || NAMES - look->names_used < 2 * PATH) {
        return 1;
    }
    struct looked_at *l = &look->module[look->count++];
    *l = (struct looked_at){.module = {.header = header, .print = print_at(header)}};
    read_segments(&l->module, info);
    add_name(look, l, info->dlpi_name);
    return 0;
}

int unloaded_after(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct unloaded_look *look = arg;
    uintptr_t header = header_of(info);
    (void)size;
    if (info->dlpi_subs == look->unloaded) {
        return 1; /* no module was unloaded */
    }
    look->nothing_left = false;
    for (uint32_t n = 0; n < look->count; n++) { /* mostly in the order of unloaded_before() */
        struct looked_at *l = &look->module[(look->cursor + n) % look->count];
        if (l->module.header == header) {
            l->is_there = l->module.print == print_at(header);
            look->cursor += n + 1;
            break;
        }
    }
    return 0;
}

static bool has_left_before(const struct unloaded_module *m)
{
    for (uint32_t i = 0; i < LOAD(&unloaded_count); i++) {
        if (left[i] == m) {
            return true;
        }
    }
    return false;
}

/* Puts an unloaded module into `left`. The caller holds `remembering`. */
static void remember(const struct unloaded_look *look, const struct looked_at *l)
{
    struct unloaded_module *m = known_add(l->module.header, l->module.print);
    if (!m || has_left_before(m)) {
        return;
    }
    const char *name = look->names + l->name;
    size_t bytes = strlen(name) + 1;
    char *file = arena_alloc(bytes);
    if (!file || l->module.segments == 0) {
        return;
    }
    memcpy(file, name, bytes);
    struct unloaded_module whole = l->module; /* header and print are the same as in *m */
    whole.number = m->number;
    whole.file = file;
    *m = whole;
    STORE(&hull_lo, m->start < hull_lo ? m->start : hull_lo);
    STORE(&hull_hi, m->limit > hull_hi ? m->limit : hull_hi);
    left[unloaded_count] = m;
    STORE_RELEASE(&unloaded_count, unloaded_count + 1);
}

static struct lock remembering;

void unloaded_look_end(struct unloaded_look *look)
{
    if (!look->nothing_left) {
        lock_take(&remembering, LOCK_UNLOADED);
        ADD(&unloadings, 1);
        for (uint32_t i = 0; i < look->count; i++) {
            if (!look->module[i].is_there) {
                remember(look, &look->module[i]);
            }
        }
        lock_drop(&remembering);
    }
    STORE_RELEASE(&looks_taken[look->taken], 0);
}

void unloaded_fork_child(void)
{
    memset(looks_taken, 0, sizeof looks_taken);
    remembering.taken = 0;
}

/* ---- the dump ---- */

long unloaded_snapshot(struct past_code **code, size_t *bytes)
{
    uint32_t n = LOAD_ACQUIRE(&unloaded_count);
    long segments = 0;
    *code = NULL;
    *bytes = (size_t)n * SEGMENTS * sizeof **code;
    if (n == 0) {
        return 0;
    }
    struct past_code *out = sys_map(*bytes);
    if (!out) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct unloaded_module *m = left[i];
        for (uint32_t j = 0; j < m->segments; j++) {
            out[segments++] = (struct past_code){.start = m->segment[j].start,
                                                 .limit = m->segment[j].limit,
                                                 .offset = m->segment[j].offset,
                                                 .module = m->number,
                                                 .file = m->file,
                                                 .build_id = m->build_id,
                                                 .build_id_bytes = m->build_id_bytes};
        }
    }
    *code = out;
    return segments;
}
