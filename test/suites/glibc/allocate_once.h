// SPDX-License-Identifier: MIT
// For glibc's tests, built outside glibc: make an object at its first use, once for all threads.
#include <stddef.h>

static inline void *allocate_once(void **place, void *(*make)(void *), void (*drop)(void *, void *),
                                  void *closure)
{
    void *found = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (found) {
        return found;
    }
    void *made = make(closure);
    if (made &&
        !__atomic_compare_exchange_n(place, &found, made, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        drop(made, closure);
        return found;
    }
    return made;
}
