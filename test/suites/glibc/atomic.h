// SPDX-License-Identifier: MIT
// For glibc's tests, built outside glibc: its atomic operations, as the compiler's.
#define atomic_load_relaxed(mem) __atomic_load_n(mem, __ATOMIC_RELAXED)
#define atomic_load_acquire(mem) __atomic_load_n(mem, __ATOMIC_ACQUIRE)
#define atomic_store_relaxed(mem, value) __atomic_store_n(mem, value, __ATOMIC_RELAXED)
#define atomic_store_release(mem, value) __atomic_store_n(mem, value, __ATOMIC_RELEASE)
#define atomic_thread_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define atomic_write_barrier() __atomic_thread_fence(__ATOMIC_RELEASE)
#define atomic_full_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
