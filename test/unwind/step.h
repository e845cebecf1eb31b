/* SPDX-License-Identifier: MIT
 *
 * The stack walk at every instruction of a piece of code, against a shadow stack kept from the call
 * and return instructions that were seen. For programs that link the library's objects.
 */
#ifndef TEST_UNWIND_STEP_H
#define TEST_UNWIND_STEP_H

#ifdef __cplusplus
extern "C" {
#endif

/* Once, before the rest. 0 or -errno. */
int step_start(void);

/* fn(arg), of whose instructions at most `steps` are looked at. Its caller is the last frame that
 * the shadow stack knows; what lies above it is taken from glibc's backtrace() once, here. One
 * thread at a time, any stack that is the thread's own. */
void step_run(const char *name, void (*fn)(void *), void *arg, long steps);

long step_steps(void); /* since the start */

/* One line of JSON: the figures, and what was wrong by its place. */
void step_report(void);

#ifdef __cplusplus
}
#endif

#endif
