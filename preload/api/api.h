/* SPDX-License-Identifier: MIT
 *
 * The C API inside the library: what preload/init.c starts and stops, and the calls that are not in
 * api.c. What each call means to a program stands in preload/pprofinject.h.
 */
#ifndef PRELOAD_API_H
#define PRELOAD_API_H

#include "collectors/base/abi.h"

/* From now on the program's calls do something: pprof_active() is true. Constructor only. */
void api_start(void);
/* From now on every call answers as if the library were not loaded. A call that another thread is
 * in goes on to its end. Any thread. */
void api_stop(void);

/* api_cpu.c: pprof_start_cpu_profile() and pprof_stop_cpu_profile(). 0 or -errno. */
int api_start_cpu_profile(int fd);
int api_stop_cpu_profile(void);
/* In a forked child: it has no session, even if its parent has one. */
void api_cpu_fork_child(void);

/* api_rates.c: each sets a rate and returns the one before; a negative rate sets nothing. */
long api_set_mem_rate(long rate);
long api_set_block_rate(long rate);
long api_set_mutex_fraction(long rate);
long api_set_cpu_rate(long rate);

#endif
