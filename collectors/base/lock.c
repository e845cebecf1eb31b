/* SPDX-License-Identifier: MIT
 *
 * See lock.h: the check of the order, in builds with -DDEBUG_LOCKS alone. Each thread that holds a
 * lock has a row here, found by its id and not in its thread block, for some threads have none and
 * others their creator's. A row is read and written by its own thread, with all signals blocked.
 *
 * A wait out of order is one line on stderr and a trap: the build is for finding it.
 */
#include "collectors/base/lock.h"

#ifdef DEBUG_LOCKS
#include "collectors/base/text.h"

enum {
    THREADS = 256, /* that hold a lock at a time; those beyond are not checked */
    DEPTH = 8,     /* locks that a thread holds */
    /* Bytes by which a frame that took a lock may lie below the frame that asks now and still be
     * one that runs: a helper that took the lock for its caller. One that lies further below was
     * left by longjmp or cancellation, and its lock is orphaned, which is not this check's matter.
     */
    SLACK = 1024,
};

static struct row {
    int32_t tid; /* 0 = free */
    uint32_t count;
    struct {
        const void *lock;
        uintptr_t frame; /* of the function that took it */
        enum lock_rank rank;
    } held[DEPTH];
} rows[THREADS];

static const struct {
    const char *name, *purpose;
} texts[LOCK_RANKS] = {
#define TEXT(rank, purpose, fork) [rank] = {#rank, purpose},
    LOCKS(TEXT)
#undef TEXT
};

static struct row *row_of(int32_t tid)
{
    for (int i = 0; i < THREADS; i++) {
        if (LOAD(&rows[i].tid) == tid) {
            return &rows[i];
        }
    }
    return NULL;
}

static struct row *row_for(int32_t tid)
{
    struct row *r = row_of(tid);
    for (int i = 0; i < THREADS && !r; i++) {
        int32_t none = 0;
        if (CAS(&rows[i].tid, &none, tid)) {
            r = &rows[i];
        }
    }
    return r;
}

/* Takes out the n-th lock; a row without any is free. */
static void forget(struct row *r, uint32_t n)
{
    for (uint32_t i = n + 1; i < r->count; i++) {
        r->held[i - 1] = r->held[i];
    }
    if (--r->count == 0) {
        STORE_RELEASE(&r->tid, 0);
    }
}

static void add_lock(struct text *t, const char *before, enum lock_rank rank)
{
    text_add(t, before);
    text_add(t, texts[rank].name);
    text_add(t, " (");
    text_add(t, texts[rank].purpose);
    text_add(t, ")");
}

static void complain(enum lock_rank held, enum lock_rank wanted)
{
    char line[640];
    struct text t = text_in(line, sizeof line - 1);
    add_lock(&t, "pprofinject: lock order: a thread that holds ", held);
    add_lock(&t, " waits for ", wanted);
    line[t.len++] = '\n';
    sys_write_all(2, line, t.len);
    __builtin_trap();
}

void lock_check_wait(enum lock_rank rank)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uint64_t mask = sys_block_signals();
    struct row *r = row_of(sys_gettid());
    for (uint32_t i = r ? r->count : 0; i-- > 0;) {
        if (r->held[i].frame + SLACK < here) {
            forget(r, i);
        } else if (r->held[i].rank >= rank) {
            complain(r->held[i].rank, rank);
        }
    }
    sys_restore_signals(mask);
}

bool lock_check_taken(const void *lock, enum lock_rank rank)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uint64_t mask = sys_block_signals();
    struct row *r = row_for(sys_gettid());
    if (r && r->count < DEPTH) {
        r->held[r->count].lock = lock;
        r->held[r->count].frame = here;
        r->held[r->count++].rank = rank;
    }
    sys_restore_signals(mask);
    return true;
}

void lock_check_dropped(const void *lock)
{
    uint64_t mask = sys_block_signals();
    struct row *r = row_of(sys_gettid());
    for (uint32_t i = r ? r->count : 0; i-- > 0;) {
        if (r->held[i].lock == lock) {
            forget(r, i);
            break;
        }
    }
    sys_restore_signals(mask);
}
#endif
