/* SPDX-License-Identifier: MIT
 *
 * The marker: PPROF_PARENT in the environment, by which an injected process tells the programs that
 * it starts, and the one that it becomes by an exec, what they cannot find out. Its value is
 * "FILTERS,SUBREAPER,RAW,USER,FIRST": how many filters on system calls need not be tried again;
 * whether an ancestor has made itself a subreaper; the id of the process, if it left files without
 * names before an exec; as which user the first injected process started, and its id. The first
 * field alone is a valid value, too.
 *
 * The constructor reads and makes it (preload/config.c). Later it changes by marker_is_subreaper(),
 * and the hooks of exec and posix_spawn put it right in the environment that the program hands
 * over.
 */
#ifndef PRELOAD_MARKER_H
#define PRELOAD_MARKER_H

#include "collectors/base/abi.h"

#define MARKER_NAME "PPROF_PARENT"
enum { MARKER_BYTES = sizeof MARKER_NAME "=000,0,0000000,0000000000,0000000" };

/* What a value says, or what the fields that it lacks mean. */
struct marker {
    int64_t filters;
    bool subreaper;
    int raw;       /* 0 = none has */
    uint32_t user; /* the effective one */
    int first;     /* in its own pid namespace; 0 = not known */
};

/* Reads the value that the constructor has found, NULL = there is none. */
struct marker marker_read(const char *value);
/* Called by the constructor of the first injected process. first: its id. filters: how many filters
 * of system calls it has, which its children need not try again. */
void marker_begin(int first, int64_t filters);

/* Has this process, or an injected ancestor, made itself a subreaper? */
SIGNAL_SAFE bool marker_has_subreaper(void);

/* Writes the line "PPROF_PARENT=…" that says how things stand. raw: the id of this process, if it
 * is about to exec and leaves files without names; else 0. */
SIGNAL_SAFE void marker_write(char line[MARKER_BYTES], int raw);

/* This process makes itself a subreaper. Changes the line in `environ`, where it stands. */
void marker_is_subreaper(void);

/* Does an environment that the program hands over say something else than the marker should? The
 * number of its entries if so, 0 if it is right, has no marker, or cannot be read. */
SIGNAL_SAFE size_t marker_stale(char *const env[], int raw);
/* Copies such an environment of n entries, with that line instead. */
SIGNAL_SAFE char *const *marker_renewed(char *const env[], size_t n, int raw, char **copy,
                                        char line[MARKER_BYTES]);

/* The environment to hand over instead of env, on the stack of the function that has this macro. No
 * memory of the heap: it may run in a vfork child. */
#define MARKER_PUT_RIGHT(env, raw)                                                                 \
    ({                                                                                             \
        char *const *env_ = (env);                                                                 \
        int raw_ = (raw);                                                                          \
        size_t n_ = marker_stale(env_, raw_);                                                      \
        n_ ? marker_renewed(env_, n_, raw_, __builtin_alloca((n_ + 1) * sizeof(char *)),           \
                            __builtin_alloca(MARKER_BYTES))                                        \
           : env_;                                                                                 \
    })

#endif
