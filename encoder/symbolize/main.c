/* SPDX-License-Identifier: MIT
 *
 * pprof-symbolize: gives the addresses in profiles their names.
 *
 * A program of its own, run by the library after each dump, and by hand on older files. It reads
 * each profile, looks every address up in the binaries and debug files of this machine, and
 * replaces the profile in one step by one with functions, files, lines and inlined calls. It asks
 * the network only with PPROF_DEBUGINFOD=1 (fetch.h). A profile that it cannot improve stays as it
 * was.
 */
#include "encoder/symbolize/batch.h"
#include "encoder/symbolize/fetch.h"
#include "encoder/symbolize/replace.h"

#include <errno.h>
#include <getopt.h>
#include <libelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef PPROFINJECT_VERSION
#define PPROFINJECT_VERSION "0.1.0"
#endif

static const char usage[] =
    "usage: pprof-symbolize [-v] [-p PID] [-m PID] FILE...\n"
    "       pprof-symbolize [-v] [-p PID] [-m PID] --output FILE FILE\n"
    "\n"
    "Gives the addresses in pprof profiles their functions, files, lines and inlined calls,\n"
    "from the binaries and debug files on this machine. Each FILE is replaced in one step;\n"
    "`-' is read from standard input (a regular file) and written to standard output. Texts\n"
    "that the library wrote (PPROF_DEBUG) get their names as well.\n"
    "\n"
    "  -p, --pid PID      the profiles are of this process; binaries that it still runs\n"
    "                     but that are gone from the disk are read through it\n"
    "  -m, --map PID      code that was made at run time is listed in /tmp/perf-PID.map;\n"
    "                     without it, the PID of --pid\n"
    "  -o, --output FILE  write there instead (one input file)\n"
    "  -v, --verbose      say for each binary whether it could be read\n"
    "  -h, --help         this text\n"
    "      --version      the version\n"
    "\n"
    "PPROF_BINARY_PATH names folders with binaries and debug files, as for `go tool pprof`.\n"
    "With PPROF_DEBUGINFOD=1, others are fetched from the servers of DEBUGINFOD_URLS.\n"
    "Exit status: 0, 1 if a file could not be done (it is as it was), 2 for a wrong call.\n";

static int main_pid(const char *text, pid_t *pid)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value <= 0 || value > INT_MAX) {
        return -EINVAL;
    }
    *pid = (pid_t)value;
    return 0;
}

/* Reads the options. 0: go on; otherwise the program is to end, and the result is its exit status
 * plus one. */
static int main_options(int argc, char **argv, struct batch_options *options)
{
    static const struct option longs[] = {{"pid", required_argument, NULL, 'p'},
                                          {"map", required_argument, NULL, 'm'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "p:m:o:vh", longs, NULL)) != -1) {
        switch (option) {
        case 'p':
        case 'm':
            if (main_pid(optarg, option == 'p' ? &options->pid : &options->map_pid) == 0) {
                break;
            }
            fprintf(stderr, "pprof-symbolize: --%s %s: not a process id\n",
                    option == 'p' ? "pid" : "map", optarg);
            return 2 + 1;
        case 'o':
            options->output = optarg;
            break;
        case 'v':
            options->verbose = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0 + 1;
        case 'V':
            puts("pprof-symbolize (pprofinject) " PPROFINJECT_VERSION);
            return 0 + 1;
        default:
            fputs(usage, stderr);
            return 2 + 1;
        }
    }
    if (optind == argc || (options->output && argc - optind != 1)) {
        fputs(usage, stderr);
        return 2 + 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct batch_options options = {0};
    int status = main_options(argc, argv, &options), failed = 0;
    if (status) {
        return status - 1;
    }
    fetch_init();
    elf_version(EV_CURRENT);
    replace_guard_signals();
    for (int i = optind; i < argc; i += BATCH_MAX) {
        failed += batch_run(argv + i, (size_t)(argc - i), &options);
    }
    return failed ? 1 : 0;
}
