/* SPDX-License-Identifier: MIT
 *
 * The one way to stop the library while the program goes on; see init.c.
 */
#ifndef PRELOAD_INIT_H
#define PRELOAD_INIT_H

#include "collectors/base/abi.h"

/* Makes the last dump, and stops all sampling, timers and system calls of the library for good; the
 * hooks only forward from then on. why: a line for the log. Any thread of the program, not in a
 * signal handler. */
void init_stand_down(const char *why);

/* The same in a newborn (newborn.h) that may not make the library's system calls: without a dump,
 * and with none of them. Any context. */
SIGNAL_SAFE void init_keep_out(void);

#endif
