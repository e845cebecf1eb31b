/* SPDX-License-Identifier: MIT
 *
 * See threads.h. A free row is looked for from the place where the last one was given back; walks
 * end at the highest row that was ever used.
 */
#include "collectors/threads/threads.h"

#include "collectors/base/lock.h"
#include "collectors/threads/procfs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* 16,384 rows × 128 bytes = 2 MiB of address space; rows that are never used take no memory. */
enum { ROWS = 1 << 14 };
_Static_assert(sizeof(struct thread) == 128, "two cache lines a row");

static struct thread *rows;
static uint32_t rows_used; /* rows [0, rows_used) have been in use */
static uint32_t rows_taken;
static uint32_t last_freed;
static uint32_t scans;

int threads_start(void)
{
    rows = sys_map(ROWS * sizeof *rows);
    return rows ? 0 : -ENOMEM;
}

static bool row_claim(struct thread *t)
{
    uint32_t seen = THREAD_FREE;
    if (LOAD(&t->state) != THREAD_FREE || !CAS(&t->state, &seen, THREAD_TAKEN)) {
        return false;
    }
    memset((char *)t + sizeof t->state, 0, sizeof *t - sizeof t->state);
    t->scans = LOAD(&scans);
    ADD(&rows_taken, 1);
    return true;
}

struct thread *threads_take(void)
{
    if (!rows) {
        return NULL;
    }
    uint32_t used = LOAD(&rows_used);
    if (LOAD(&rows_taken) < used) { /* a row below that is free again */
        uint32_t from = LOAD(&last_freed);
        for (uint32_t i = 0; i < used; i++) {
            struct thread *t = &rows[(from + i) % used];
            if (row_claim(t)) {
                return t;
            }
        }
    }
    while ((used = LOAD(&rows_used)) < ROWS) {
        if (CAS(&rows_used, &used, used + 1) && row_claim(&rows[used])) {
            return &rows[used];
        }
    }
    return NULL;
}

void threads_give_back(struct thread *t)
{
    lock_check_dropped(&t->state); /* an ended thread's row may be held (cpu_timer.h) */
    STORE(&t->labels, NULL);
    STORE(&t->tid, 0);
    STORE(&last_freed, (uint32_t)(t - rows));
    ADD(&rows_taken, (uint32_t)-1);
    STORE_RELEASE(&t->state, THREAD_FREE);
}

struct thread *threads_from_cookie(const void *cookie)
{
    uintptr_t at = (uintptr_t)cookie - (uintptr_t)rows;
    if (!rows || at >= ROWS * sizeof *rows || at % sizeof *rows != 0) {
        return NULL;
    }
    return &rows[at / sizeof *rows];
}

struct thread *threads_by_tid(int tid)
{
    uint32_t used = LOAD(&rows_used);
    for (uint32_t i = 0; i < used; i++) {
        if (LOAD(&rows[i].tid) == tid && LOAD(&rows[i].state) != THREAD_FREE) {
            return &rows[i];
        }
    }
    return NULL;
}

struct thread *threads_twin(const struct thread *t)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    uint32_t used = LOAD(&rows_used);
    for (uint32_t i = 0; i < used; i++) {
        if (&rows[i] != t && LOAD(&rows[i].tid) == t->tid &&
            LOAD_ACQUIRE(&rows[i].state) != THREAD_FREE) {
            return &rows[i];
        }
    }
    return NULL;
}

/* The starting thread stores its id and then reads `scans`; a scan counts up and then reads ids.
 * With a fence between both steps on either side, at least one of the two sees the other. */
struct thread *threads_twin_since(const struct thread *t)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return LOAD(&scans) == t->scans ? NULL : threads_twin(t);
}

void threads_scan_begins(void)
{
    __atomic_fetch_add(&scans, 1, __ATOMIC_SEQ_CST);
}

void threads_each(void (*visit)(struct thread *t, void *arg), void *arg)
{
    uint32_t used = LOAD(&rows_used);
    for (uint32_t i = 0; i < used; i++) {
        if (LOAD_ACQUIRE(&rows[i].state) != THREAD_FREE) {
            visit(&rows[i], arg);
        }
    }
}

int threads_registered(void)
{
    return (int)LOAD(&rows_taken);
}

int threads_of_process(void (*visit)(int tid, void *arg), void *arg)
{
    return procfs_threads(0, visit, arg);
}

bool threads_is_running(int tid)
{
    return procfs_state(0, tid) == 'R';
}

int threads_alive(void)
{
    /* The link count of procfs's task folder is the number of threads plus 2. */
    struct stat st;
    long err = sys_call4(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0);
    return err == 0 ? (int)st.st_nlink - 2 : (int)err;
}

void threads_fork_child(struct thread *keep)
{
    uint32_t used = LOAD(&rows_used);
    for (uint32_t i = 0; i < used; i++) {
        if (&rows[i] != keep) {
            rows[i].labels = NULL;
            rows[i].tid = 0;
            rows[i].state = THREAD_FREE;
        }
    }
    rows_taken = keep ? 1 : 0;
}
