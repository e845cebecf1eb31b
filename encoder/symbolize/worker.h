/* worker.h: runs module_resolve where a crash does not matter.
 *
 * Called by batch.c, one module at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef PPROFINJECT_SYMBOLIZE_WORKER_H
#define PPROFINJECT_SYMBOLIZE_WORKER_H

#include "module.h"

/* As module_resolve, in a child process; -EFAULT if that did not live to the end. Some answers may
 * have been put even so: the caller forgets them. Where no process can be made, in this one. */
int worker_resolve(const struct module *module, enum module_mode mode, struct answer_sink *sink);

#endif
