/* SPDX-License-Identifier: MIT
 *
 * The parts of the C API that know each other; what the calls mean stands in preload/pprofinject.h.
 */
#ifndef PRELOAD_API_H
#define PRELOAD_API_H

#include "collectors/base/abi.h"

/* From now on the program finds the library active. Constructor only. */
void api_start(void);
/* The library stands down: from now on as if it were not there. Calls that are under way end. */
void api_stop(void);

/* api_cpu.c: sessions of the cpu profile. */
int api_start_cpu_profile(int fd);
int api_stop_cpu_profile(void);
/* In a forked child: the session is its parent's. */
void api_cpu_fork_child(void);

/* api_rates.c */
long api_set_mem_rate(long rate);
long api_set_block_rate(long rate);
long api_set_mutex_fraction(long rate);
long api_set_cpu_rate(long rate);

#endif
