/* SPDX-License-Identifier: MIT
 *
 * Runs resolve_module where a crash does not matter.
 *
 * Called by batch.c, one module at a time.
 */
#ifndef ENCODER_SYMBOLIZE_WORKER_H
#define ENCODER_SYMBOLIZE_WORKER_H

#include "encoder/symbolize/resolve.h"

/* As resolve_module, in a child process; -EFAULT if that did not live to the end. Some answers may
 * have been put even so: the caller forgets them. Where no process can be made, in this one. */
int worker_resolve(const struct module *module, enum resolve_mode mode, struct answer_sink *sink);

#endif
