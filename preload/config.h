/* SPDX-License-Identifier: MIT
 *
 * Every setting of the library: its variable, default, range and meaning in one table
 * (config.c), read once in the constructor and never changed.
 */
#ifndef PRELOAD_CONFIG_H
#define PRELOAD_CONFIG_H

#include "collectors/base/abi.h"

enum { CONFIG_PATH_MAX = 4096 };

struct config {
    char out[CONFIG_PATH_MAX]; /* PPROF_OUT, absolute */
    int64_t signal;            /* PPROF_SIGNAL, 0 = none */
    int64_t cpu_rate;
    int64_t mem_rate;
    int64_t block_rate;
    int64_t mutex_fraction;
    int64_t depth;
    int64_t at_exit;
    int64_t children;
    int64_t symbolize;
    int64_t exit_wait; /* seconds */
    int64_t seed;      /* 0 = none */
    int64_t interval;  /* seconds; 0 = none */
    int64_t keep;      /* dumps; 0 = all */
    int64_t delta;
    int64_t debug;
    int64_t heap_growth;         /* bytes; 0 = none */
    const struct labels *labels; /* PPROF_LABELS, NULL = none */
    char log[CONFIG_PATH_MAX];   /* PPROF_LOG, absolute; empty = none */
    const char *binary_path;     /* PPROF_BINARY_PATH=…, for the symboliser; NULL = not set */
    const char *only;            /* PPROF_ONLY, NULL = all */
    int pid;                     /* of the process that is profiled */
    bool names_threads;          /* PPROF_PROFILES names a profile that NEEDS_THREADS: they may be
                                  * sent a signal at any dump */
    bool in_place;               /* no process can be made here: valgrind knows no such clone */
    bool is_child;               /* a process that an injected one started */
    int64_t filters;             /* on system calls, that are known to let us live */
};

extern HIDDEN struct config config;

/* Reads the environment, unless secure. A value that does not parse is one line on stderr and the
 * default. Also decides kinds[].enabled. */
void config_read(char *const *env, bool secure);

/* Does the comma list of globs (as fnmatch knows them) match name? Constructor only. */
bool config_glob_list(const char *list, const char *name);

/* Makes PPROF_OUT and PPROF_LOG absolute in the environment and leaves the marker there, for the
 * processes that this one will start; they need not ask of so many filters on system calls what
 * they do to us. Only in the first injected process. */
void config_hand_down(int64_t filters);

#endif
