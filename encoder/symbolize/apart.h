/* SPDX-License-Identifier: MIT
 *
 * A piece of a module's work in a process of its own.
 *
 * resolve.c cuts a large module's addresses into pieces by it: what the library that reads DWARF
 * keeps of a piece goes with the process, and so does a crash.
 */
#ifndef ENCODER_SYMBOLIZE_APART_H
#define ENCODER_SYMBOLIZE_APART_H

#include "encoder/symbolize/frame.h"

/* Does work(arg) in a child process, which puts its answers into `sink`, with at most `seconds` of
 * CPU time. Its result; -EFAULT if it died of it: some answers may have been put even so, each
 * whole. Where no process can be made, in this one. */
int apart_run(int (*work)(void *arg), void *arg, struct answer_sink *sink, unsigned seconds);

#endif
