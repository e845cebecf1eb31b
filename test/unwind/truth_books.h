/* SPDX-License-Identifier: MIT
 *
 * One sample of test/unwind/truth.c: both walks, their comparison, its place in the books, and the
 * report of these. SIGNAL_SAFE; callers take turns.
 */
#ifndef TEST_UNWIND_TRUTH_BOOKS_H
#define TEST_UNWIND_TRUTH_BOOKS_H

#include "collectors/stacks/unwind.h"

/* Walks the context twice and compares. stop: truth_stop() is called with the frames. */
void truth_take(const void *ucontext, const struct stack_bounds *bounds, bool stop);

uint64_t truth_taken(void);

/* Appends a line of JSON to the file at path. */
void truth_report(const char *path, const char *exe, uint64_t idle);

#endif
