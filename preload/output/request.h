/* SPDX-License-Identifier: MIT
 *
 * One request for profiles, from any consumer: which ones, in which forms, into what, and since
 * when. The dump into PPROF_OUT (dump.c) is one, a call of the API that writes into a descriptor
 * (write_call.c) makes another. A new way out is a file with a struct sink of its own.
 *
 * A request is served in one go: snapshot, encode, hand over, profile by profile, from tables that
 * the program goes on writing. That is done in a process of ours (helper_process.h) or, where none
 * can be made, in a thread of the program, even inside a signal handler: raw system calls only, no
 * malloc, no lock. Two requests may be served at the same time if they share neither sink nor
 * since.
 */
#ifndef PRELOAD_REQUEST_H
#define PRELOAD_REQUEST_H

#include "collectors/tables/since.h"
#include "preload/output/render.h"

struct request;

/* A sink takes profiles. Its functions are called in the order open, {begin, end} for each profile
 * and form, close; an open that fails is the last. Errors are -errno. */
struct sink {
    /* A request begins, and this is all that belongs to it; both stay until close. r->kinds is
     * never NULL here; in it may be profiles that are not enabled, which are not written. */
    int (*open)(struct sink *s, const struct request *r, const struct render_moment *m);
    /* A profile in one form: *bytes says where its bytes go. After an error there is no end. */
    int (*begin)(struct sink *s, const struct kind *k, enum form form, struct byte_sink *bytes);
    /* That was all of it; error: or it failed, and what came is worth nothing. Returns error, or
     * its own: 0 means that the profile is where it belongs. */
    int (*end)(struct sink *s, int error);
    void (*close)(struct sink *s);
};

struct request {
    const struct kind *const *kinds; /* `count` profiles; NULL = all that are enabled */
    size_t count;
    unsigned forms; /* bits 1 << enum form; debug=2 beside others is left out where it is empty */
    struct sink *sink;
    struct since *since; /* the consumer's, for what changed since, and in what time; NULL =
                          * cumulative */
    const struct snapshot *taken; /* of the one profile in kinds, if it is to be no new one */
};

/* Serves it. threads: as request_take_threads() gave it, or NULL. 0, or the first -errno of any
 * profile; the others are written all the same. */
MUST_CHECK int request_serve(const struct request *r, const struct allthreads *threads);

/* Does it show where all threads are (goroutine)? Any thread; SIGNAL_SAFE. */
SIGNAL_SAFE bool request_needs_threads(const struct request *r);
/* Then this looks where they are, as allthreads_take() does with these arguments, in the detail
 * that the forms show. To be called in a thread of the program if possible. SIGNAL_SAFE. */
SIGNAL_SAFE struct allthreads *request_take_threads(const struct request *r, int pid, int how,
                                                    const struct stack *caller);

#endif
