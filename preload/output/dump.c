/* SPDX-License-Identifier: MIT
 *
 * See dump.h.
 */
#include "preload/output/dump.h"

#include "collectors/threads/allthreads.h"
#include "preload/config.h"
#include "preload/output/folder.h"

static struct folder folder;
static struct since since; /* what the files of the last dump said */
static struct request request;
static int last_error; /* of the last dump, for dump_error() */

void dump_start(void)
{
    place_start(config.out, config.user);
    folder.keep = config.keep;
    folder_init(&folder);
    request.forms = 1U << FORM_PROTOBUF;
    request.forms |= config.debug ? 1U << FORM_DEBUG1 | 1U << FORM_DEBUG2 : 0;
    request.sink = &folder.sink;
    request.since = config.delta ? &since : NULL;
}

const struct request *dump_request(void)
{
    return &request;
}

/* What a thread of the program has seen for this dump. Where none has looked (a dump by interval,
 * say), the scribe does, as far as the kernel lets it. */
static struct allthreads *threads_for(uint32_t open)
{
    struct allthreads *a = allthreads_claim(open);
    if (!a && request_needs_threads(&request)) {
        int how = config.names_threads ? ALLTHREADS_SIGNAL : 0;
        a = request_take_threads(&request, config.pid, how, NULL);
    }
    return a;
}

void dump_write(uint32_t open, const bool *stop)
{
    struct allthreads *threads = threads_for(open);
    folder.stop = stop;
    folder.pid = config.pid; /* the program's, not the scribe's */
    int err = request_serve(&request, threads);
    STORE(&last_error, err);
    allthreads_free(threads);
}

int dump_error(void)
{
    return LOAD(&last_error);
}

void dump_fork_child(void)
{
    folder_fork_child(&folder);
    since_forget(&since);
}
