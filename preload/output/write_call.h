/* SPDX-License-Identifier: MIT
 *
 * One profile into a descriptor of the program's, with its names: what the calls of the API that
 * write do. As a dump, it is the work of a process of its own that shares the program's memory, so
 * that the program has no child, no signal and no descriptor by it; but this one keeps the
 * descriptor, and the caller waits for it.
 */
#ifndef PRELOAD_WRITE_CALL_H
#define PRELOAD_WRITE_CALL_H

#include "preload/output/render.h"

/* What to write: the profile, or (samples of its own) what the caller has. */
struct write_call {
    const struct kind *kind;
    enum render_form form;
    const struct allthreads *threads;
    const struct snapshot *snap; /* NULL = take it from the kind */
    int fd;
    int result; /* -errno, 0; set by the one who does it */
};

/* Does it, in any thread of the program; 0 or the first -errno, also of a write. Where no process
 * can be had, the caller's thread does it itself, without names. */
MUST_CHECK int write_call_run(struct write_call *c);

#endif
