/* SPDX-License-Identifier: MIT
 *
 * Functions that must not have a frame of ours, written in assembly: macros that each define one.
 * The first half is the contract, for NAME_stubs.h to fulfil (see arch.h). Included only by the
 * files that define such functions.
 *
 * ARCH_STUB(linkage, name, slot, resolver)
 *     linkage void name(void), HIDDEN or EXPORT. slot: a pointer to function that is visible only
 *     in this library (static or HIDDEN; a structure's field will do). Calls resolver(), and then
 *     jumps to what the slot holds, with the stack as it was and all arguments as they were,
 *     whatever the function: integers and pointers, those on the stack, and a variable number of
 *     them; but no floating point values. Where the stub is the slot's first value, resolver() must
 *     replace that. resolver: the name of a function of this library without arguments, not static.
 *
 * ARCH_CHOICE(name, chooser)
 *     EXPORTed, of a function that is declared already: calls chooser(), the name of a function of
 *     this library, not static, with the same first three arguments, which must be integers or
 *     pointers. Then it jumps to the function whose address chooser has returned, with the stack
 * and the arguments as they were: that function sees the caller's return address.
 *
 * ARCH_SYSCALL(name, slot, futex_waits, on_futex_wait, hooked, on_hooked, is_fork, on_fork)
 *     long name(long nr, ...), with libc's arguments of syscall(), which jumps, stack and arguments
 *     as they were,
 *      - to on_futex_wait for futex_waitv, and for futex with an operation whose bit is set in
 *        futex_waits, a constant in which bit 13 is the highest;
 *      - to on_fork for fork, clone and clone3, if is_fork(nr, first, second), a bool, says so;
 *      - to on_hooked for each other number n, below 449, where hooked[n] is not 0; hooked is an
 *        array of 449 bytes, visible as above;
 *      - to what slot holds, a variable with a pointer to function, visible as above, for all
 *        others.
 *     The names are of functions of this library, not static.
 *
 * ARCH_SIGNAL_STUB(name, chooser)
 *     void name(int sig), static or HIDDEN: a signal handler, installed with SA_SIGINFO. Calls
 *     chooser(sig, info, context), the name of a function of this library, not static, that returns
 *     the address of another handler or NULL. Then it jumps to that handler, with the stack and the
 *     arguments as the kernel gave them, or returns: no frame of ours is under the other handler.
 *
 * ARCH_CALL_UNWOUND(name, section, personality, A, B)
 *     void name(void (*f)(A, B), A a, B b), A and B being types of pointers: calls f(a, b) from a
 *     frame with that personality routine (C++ ABI, level 1) and no language-specific data. section
 *     is where the function lies, as a string; personality the name of a function that is used.
 */
#ifndef BASE_ARCH_STUBS_H
#define BASE_ARCH_STUBS_H

#include "collectors/base/arch/arch.h"

#if defined(__x86_64__)
#include "collectors/base/arch/x86_64_stubs.h"
#else
#include "collectors/base/arch/aarch64_stubs.h"
#endif

#endif
