/* SPDX-License-Identifier: MIT
 *
 * See reserve.h. A range has a bit for each page, which is set while the page is in use. A piece of
 * up to 64 pages is a run of bits inside one word, and is claimed by one exchange of that word. A
 * larger piece is a run of whole words, claimed one after the other and put back if one of them is
 * found in use. So a thread that is interrupted in between, or a fork then, leaves nothing but
 * addresses that stay unused.
 *
 * A piece is mapped over the reservation when it is taken, and the reservation over the piece when
 * it is given back: one system call each. Pages without access are counted by no limit but that on
 * address space, and are in no core file.
 */
#include "collectors/base/reserve.h"

#include "collectors/base/arch/arch.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum {
    /* Most programs need 3 to 5 MiB of it, dumps included. glibc reserves twice as much for each
     * thread's arena. */
    RANGE_BYTES = 32 << 20,
    RANGES = 32, /* the arena's cap */
    WORD_BITS = 64,
    ERRNO_MAX = (1 << 12) - 1, /* larger results of mmap are addresses */
    WORDS_MAX = RANGE_BYTES / (4 << 10) / WORD_BITS,
};
#define ALL (~0ULL)

struct range {
    uintptr_t base; /* 0 = not reserved */
    uint64_t taken[WORDS_MAX];
    bool gone[WORDS_MAX]; /* given back for good: what is there now is not of the range */
};
static struct range ranges[RANGES];
static bool released;

static size_t words(void)
{
    return RANGE_BYTES / WORD_BITS / arch_page_bytes();
}

static size_t word_bytes(void)
{
    return WORD_BITS * arch_page_bytes();
}

static size_t pages_of(size_t bytes)
{
    return (bytes + arch_page_bytes() - 1) / arch_page_bytes();
}

/* ---- the kernel ---- */

static bool is_error(long result)
{
    return result < 0 && result >= -ERRNO_MAX;
}

static long map(uintptr_t at, size_t bytes, int access)
{
    return arch_syscall(SYS_mmap, (long)at, (long)bytes, access,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);
}

static void unmap(uintptr_t at, size_t bytes)
{
    arch_syscall(SYS_munmap, (long)at, (long)bytes, 0, 0, 0, 0);
}

static bool is_limited(void)
{
    struct rlimit limit;
    return arch_syscall(SYS_getrlimit, RLIMIT_AS, (long)&limit, 0, 0, 0, 0) != 0 ||
           limit.rlim_cur != RLIM_INFINITY;
}

/* False: no range is to be had. */
static bool reserve_range(void)
{
    for (size_t i = 0; i < RANGES; i++) {
        if (LOAD(&ranges[i].base)) {
            continue;
        }
        if (LOAD(&released) || is_limited()) {
            return false;
        }
        long at = map(0, RANGE_BYTES, PROT_NONE);
        if (is_error(at)) {
            return false;
        }
        uintptr_t none = 0;
        if (!CAS(&ranges[i].base, &none, (uintptr_t)at)) {
            unmap((uintptr_t)at, RANGE_BYTES); /* another thread was faster */
        }
        return true;
    }
    return false;
}

/* ---- the bits ---- */

static uint64_t mask(size_t n, size_t at)
{
    return (n == WORD_BITS ? ALL : (1ULL << n) - 1) << at;
}

/* The lowest of n neighbouring bits that are clear; WORD_BITS: there are none. */
static size_t run(uint64_t taken, size_t n)
{
    uint64_t starts = ~taken; /* of runs as long as `long_` */
    for (size_t long_ = 1; long_ < n && starts;) {
        size_t more = long_ < n - long_ ? long_ : n - long_;
        starts &= starts >> more;
        long_ += more;
    }
    return starts ? (size_t)__builtin_ctzll(starts) : WORD_BITS;
}

static void clear(struct range *r, size_t word, uint64_t bits)
{
    __atomic_fetch_and(&r->taken[word], ~bits, __ATOMIC_RELEASE);
}

/* From below; larger pieces from above. The address of n pages, or 0. */
static uintptr_t take_pages(struct range *r, uintptr_t base, size_t n)
{
    for (size_t i = 0; i < words(); i++) {
        uint64_t seen = LOAD(&r->taken[i]);
        for (size_t at = run(seen, n); at < WORD_BITS; at = run(seen, n)) {
            if (CAS(&r->taken[i], &seen, seen | mask(n, at))) {
                return base + i * word_bytes() + at * arch_page_bytes();
            }
        }
    }
    return 0;
}

/* n words from the given one on, or none. */
static bool claim_words(struct range *r, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t none = 0;
        if (!CAS(&r->taken[from + i], &none, ALL)) {
            while (i-- > 0) {
                clear(r, from + i, ALL);
            }
            return false;
        }
    }
    return true;
}

static uintptr_t take_words(struct range *r, uintptr_t base, size_t n)
{
    for (size_t from = words() - n + 1; from-- > 0;) {
        if (LOAD(&r->taken[from]) == 0 && claim_words(r, from, n)) {
            return base + from * word_bytes();
        }
    }
    return 0;
}

static void give_bits(struct range *r, size_t offset, size_t pages)
{
    size_t word = offset / word_bytes();
    if (pages <= WORD_BITS) {
        clear(r, word, mask(pages, offset % word_bytes() / arch_page_bytes()));
        return;
    }
    for (size_t n = (pages + WORD_BITS - 1) / WORD_BITS; n-- > 0;) {
        clear(r, word + n, ALL);
    }
}

/* ---- pieces ---- */

void reserve_start(void)
{
    reserve_range();
}

static uintptr_t take_from(struct range *r, size_t pages)
{
    uintptr_t base = LOAD_ACQUIRE(&r->base);
    return pages <= WORD_BITS ? take_pages(r, base, pages)
                              : take_words(r, base, (pages + WORD_BITS - 1) / WORD_BITS);
}

void *reserve_take(size_t bytes)
{
    if (bytes == 0 || bytes > RANGE_BYTES || !LOAD(&ranges[0].base)) {
        return NULL;
    }
    size_t pages = pages_of(bytes);
    for (size_t i = 0; i < RANGES && (LOAD(&ranges[i].base) || reserve_range()); i++) {
        uintptr_t at = take_from(&ranges[i], pages);
        if (at) {
            if (map(at, pages * arch_page_bytes(), PROT_READ | PROT_WRITE) == (long)at) {
                return (void *)at; /* NOLINT: an address */
            }
            give_bits(&ranges[i], at - ranges[i].base, pages);
            return NULL;
        }
    }
    return NULL;
}

bool reserve_give(void *p, size_t bytes)
{
    for (size_t i = 0; i < RANGES && LOAD(&ranges[i].base); i++) {
        uintptr_t offset = (uintptr_t)p - LOAD(&ranges[i].base);
        if (offset < RANGE_BYTES && !LOAD(&ranges[i].gone[offset / word_bytes()])) {
            size_t pages = pages_of(bytes);
            map((uintptr_t)p, pages * arch_page_bytes(), PROT_NONE);
            give_bits(&ranges[i], offset, pages);
            return true;
        }
    }
    return false;
}

void reserve_release(void)
{
    STORE(&released, true);
    for (size_t i = 0; i < RANGES && LOAD(&ranges[i].base); i++) {
        for (size_t w = 0; w < words(); w++) {
            uint64_t none = 0;
            if (CAS(&ranges[i].taken[w], &none, ALL)) {
                STORE(&ranges[i].gone[w], true);
                unmap(ranges[i].base + w * word_bytes(), word_bytes());
            }
        }
    }
}
