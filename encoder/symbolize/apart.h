/* SPDX-License-Identifier: MIT
 *
 * A piece of work in a child process.
 *
 * resolve.c answers the addresses of a large module in pieces, each in a child: when the child
 * ends, the memory that libdw keeps is given back, and a crash costs one piece.
 */
#ifndef ENCODER_SYMBOLIZE_APART_H
#define ENCODER_SYMBOLIZE_APART_H

#include "encoder/symbolize/frame.h"

/* Runs work(arg), which puts answers into `sink`, in a child process with at most `seconds` of CPU
 * time. Returns work's result, or -EFAULT if the child died; answers that it had flushed stay, and
 * each is whole. If no process can be made, work runs in this one. */
int apart_run(int (*work)(void *arg), void *arg, struct answer_sink *sink, unsigned seconds);

#endif
