/* SPDX-License-Identifier: MIT
 * Defines functions whose names the profiles must show: wait_<name>, in which a thread waits, and
 * release_<name>, in which another one ends the wait. The program that includes this defines struct
 * known_wait, which has the objects and the times of one wait.
 */
#ifndef TEST_PROGRAMS_WAIT_SITE_H
#define TEST_PROGRAMS_WAIT_SITE_H

#include "truth.h"

struct known_wait;

/* Keeps the frame that called: no tail call. */
static inline int stay(int result)
{
    __asm__ volatile("" : "+r"(result));
    return result;
}

#define WAIT(name, call)                                                                           \
    SITE void wait_##name(struct known_wait *b)                                                    \
    {                                                                                              \
        int result = call;                                                                         \
        must(stay(result) == 0, #name);                                                            \
    }
#define RELEASE(name, call)                                                                        \
    SITE void release_##name(struct known_wait *b)                                                 \
    {                                                                                              \
        int result = call;                                                                         \
        must(stay(result) == 0, "release of " #name);                                              \
    }

#endif
