/* SPDX-License-Identifier: MIT
 *
 * A sink (request.h) that is a folder of files, "<exe>.<pid>.<NNN>.<profile><ending>". Each request
 * is a set of files under the next number that is free. A file appears whole and never replaces
 * another (encoder/atomic_file.h); of the sets, so many are kept; a set that is complete is given
 * to the symboliser. One process at a time uses a folder's struct.
 */
#ifndef PRELOAD_FOLDER_H
#define PRELOAD_FOLDER_H

#include "encoder/atomic_file.h"
#include "preload/output/place.h"
#include "preload/output/request.h"

struct folder {
    struct sink sink;
    /* For its owner to set, before a request. */
    int pid;          /* what the names say */
    int64_t keep;     /* sets that are kept, the newest; 0 = all. Never changed */
    const bool *stop; /* true: no further file is begun; NULL = never */
    /* From one request to the next. */
    int last_number; /* 0 = none yet */
    int *kept;       /* numbers, a ring of `keep`; 0 = none */
    int64_t kept_count;
    struct atomic_file file; /* the one that is being written */
    /* Of the request that is open. */
    char path[PLACE_BYTES]; /* of the folder, absolute */
    const struct request *request;
    const struct maps *maps;
    int dir;
    int number;
    char *names; /* of the files that are written, each terminated, one after the other */
    size_t bytes, used;
    int files;
};

/* The sink's functions; the rest of *f is as its owner has set it, or zero. */
void folder_init(struct folder *f);

/* In a forked child: its sets are counted from 001 again. */
void folder_fork_child(struct folder *f);

#endif
