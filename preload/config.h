/* SPDX-License-Identifier: MIT
 *
 * The settings: what the PPROF_ variables of the environment say. Each has its name, default, range
 * and meaning in one table (config.c). Read once, in the constructor. After that only `pid`
 * changes, in a forked child, and what is handed down (marker.h).
 */
#ifndef PRELOAD_CONFIG_H
#define PRELOAD_CONFIG_H

#include "collectors/base/abi.h"

enum { CONFIG_PATH_MAX = 4096, CONFIG_NAME_MAX = 160 };
enum { NAMES_ENV = 16 }; /* variables that the symboliser may be given, and a NULL */

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
    int64_t debuginfod;
    int64_t exit_wait; /* seconds */
    int64_t seed;      /* 0 = none */
    int64_t interval;  /* seconds; 0 = none */
    int64_t keep;      /* dumps; 0 = all */
    int64_t delta;
    int64_t debug;
    int64_t heap_growth;              /* bytes; 0 = none */
    int64_t heap_labels;              /* 0 or 1 */
    int64_t thread_labels;            /* 0 or 1 */
    const struct labels *labels;      /* PPROF_LABELS, NULL = none */
    char log[CONFIG_PATH_MAX];        /* PPROF_LOG, absolute; empty = none */
    const char *names_env[NAMES_ENV]; /* NAME=value for the symboliser, copied: the program may
                                       * write over its environment; NULL at the end */
    const char *name;                 /* PPROF_NAME, as in file names; NULL = not set */
    const char *only;                 /* PPROF_ONLY, NULL = all */
    int pid;                          /* of the process that is profiled */
    bool names_threads; /* PPROF_PROFILES names a profile that NEEDS_THREADS: they may be
                         * sent a signal at any dump */
    bool in_place;      /* dumps are made in a thread of the program: under valgrind, which
                         * cannot run a process that shares its memory */
    bool is_child;      /* a program that an injected one started, or became */
    bool is_first;      /* the first injected process, whatever it has become by execs */
    bool left_raw;      /* before its last exec, this process left files without names */
    uint32_t user;      /* as which the first injected process started (effective) */
    int64_t filters;    /* on system calls in force at start that an injected parent has
                         * found harmless (preload/output/seccomp.h) */
};

extern HIDDEN struct config config;

/* Reads the settings from env; secure: takes the defaults and reads nothing. A value that is not
 * valid gets a line in the log (stderr at start) and the default is used. Also sets
 * kinds[].enabled. Constructor only. */
void config_read(char *const *env, bool secure);

/* Has an injected process started this one? Constructor only. */
bool config_has_parent(char *const *env);

/* Calls f with the name of each variable that has a meaning. Constructor only. */
void config_each_name(void (*f)(const char *name, void *arg), void *arg);

/* Does the comma list of globs (as fnmatch knows them) match name? Constructor only. */
bool config_glob_list(const char *list, const char *name);

/* Changes the environment for the programs that this process will start: PPROF_OUT and PPROF_LOG
 * become absolute, and PPROF_PARENT says that an injected process has started them, and how many
 * filters on system calls are in force that need not be tried again. Does nothing in a process that
 * has found PPROF_PARENT itself. Constructor only; where that has run before libc's, which sets
 * `environ`, the change is left to config_hand_down_late(). */
void config_hand_down(int64_t filters);

/* Makes the change now, if it is still to be made. Before main(), and before a program is started;
 * also in a vfork child. */
void config_hand_down_late(void);

/* The same, where the program hands env over to one that it starts: what to hand over instead. */
char *const *config_environment(char *const env[]);

#endif
