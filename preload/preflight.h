/* SPDX-License-Identifier: MIT
 *
 * What cannot work is said at start: one line on stderr (or in PPROF_LOG) for each thing that is
 * missing, with the way out. The program runs in any case.
 */
#ifndef PRELOAD_PREFLIGHT_H
#define PRELOAD_PREFLIGHT_H

#include "collectors/base/abi.h"

/* Looks for variables of the environment that begin with PPROF_ and have no meaning, for an output
 * folder that cannot be written, and for a symboliser that is not there. Constructor only, in the
 * first injected process, after config_read(). */
void preflight(char *const *env);

#endif
