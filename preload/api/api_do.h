/* SPDX-License-Identifier: MIT
 *
 * pprof_do() for C, where no compiler puts the labels back when a function is left by an exception,
 * by pthread_exit or by cancellation.
 */
#ifndef PRELOAD_API_DO_H
#define PRELOAD_API_DO_H

#include "collectors/snapshot.h"

/* Calls f(merged, arg), in a thread that carries `merged`. However f is left, the thread carries
 * `before` afterwards, and a reference to merged is dropped; but a longjmp out of f does neither.
 * Any thread of the program. */
void api_do(const struct labels *before, const struct labels *merged,
            void (*f)(const struct labels *, void *), void *arg);

#endif
