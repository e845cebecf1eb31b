/* SPDX-License-Identifier: MIT
 *
 * The words that every file of the library shares: where code may run, what is visible, what is
 * likely. Included by everything, includes nothing of ours.
 *
 * SIGNAL_SAFE marks a function that may run in a signal handler at any instruction of the program:
 * it calls no malloc and no stdio, waits for no lock that its own thread may hold, and calls of
 * libc only memcpy and its like. HOT marks the unsampled path of a hook, COLD what a hot path calls
 * in the rare case.
 */
#ifndef BASE_ABI_H
#define BASE_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNAL_SAFE
#define HOT __attribute__((hot, aligned(64))) /* begins on a cache line */
/* The functions of a contended wait and release: the linker puts them close together, because a
 * thread that has slept finds its caches cold. */
#define WAIT_PATH __attribute__((hot))
#define COLD __attribute__((cold, noinline))
#define EXPORT __attribute__((visibility("default")))
/* For variables of hot paths: accessed directly, without the table of addresses that a symbol of
 * another library would need. */
#define HIDDEN __attribute__((visibility("hidden")))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Variables that hot paths read and that are hardly ever written: together, on few cache lines. */
#define READ_OFTEN __attribute__((section("pprof_read_often")))
#define MUST_CHECK __attribute__((warn_unused_result))
#define CACHE_LINE 64
/* Makes the compiler keep the address of a table's element in one register; it would else compute
 * each field's address anew from the table's beginning. */
#define ONE_ADDRESS(element)                                                                       \
    do {                                                                                           \
        __asm__("" : "+r"(element));                                                               \
        if (!(element)) {                                                                          \
            __builtin_unreachable();                                                               \
        }                                                                                          \
    } while (0)

/* In a preloaded library the initial-exec model always has room, needs no lazy allocation, and is
 * therefore the only one that a signal handler and malloc may use. */
#define THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))

/* The name by which the linker knows a declared symbol, where C cannot say it. */
#define LINKED_AS(name) __asm__(name)

/* The variable's value is computed before this line, and what uses it comes after. */
#define COMPUTED_HERE(variable) __asm__ volatile("" : "+r"(variable))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Relaxed accesses for counters and flags that order nothing. */
#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ADD(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
/* Publication: what was written before STORE_RELEASE is seen after LOAD_ACQUIRE. */
#define LOAD_ACQUIRE(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define STORE_RELEASE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Compare and swap; on failure *expected holds what was there. */
#define CAS(p, expected, desired)                                                                  \
    __atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_ACQ_REL,               \
                                __ATOMIC_ACQUIRE)

#endif
