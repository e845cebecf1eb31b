/* SPDX-License-Identifier: MIT
 *
 * Runs resolve_module in a child process, where a crash costs only that module's names.
 *
 * Called by batch.c, one module at a time.
 */
#ifndef ENCODER_SYMBOLIZE_WORKER_H
#define ENCODER_SYMBOLIZE_WORKER_H

#include "encoder/symbolize/resolve.h"

/* As resolve_module, in a child process. -EFAULT: the child died before its end; the caller must
 * forget the answers that it had put until then. If no process can be made, it runs in this one. */
int worker_resolve(const struct module *module, enum resolve_mode mode, struct answer_sink *sink);

#endif
