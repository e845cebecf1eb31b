/* SPDX-License-Identifier: MIT
 *
 * One profile into a descriptor of the program's, with its names: what the calls of the API that
 * write do. It is a request (request.h), served by a helper (helper_process.h) of its own that
 * keeps the descriptor, so the program has no child, no signal and no further descriptor by it. The
 * caller waits.
 */
#ifndef PRELOAD_WRITE_CALL_H
#define PRELOAD_WRITE_CALL_H

#include "preload/output/render.h"

struct write_call {
    const struct kind *kind;
    enum form form;
    const struct snapshot *taken; /* its samples, where the caller has them; NULL = to be taken */
    int fd;
};

/* In any thread of the program. 0; the first -errno, also of a write; -EIO if the helper was
 * killed. Where no process can be made, the caller's thread does the work, without names. */
MUST_CHECK int write_call_run(const struct write_call *c);

#endif
