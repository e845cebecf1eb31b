/* SPDX-License-Identifier: MIT
 *
 * Files from the servers of DEBUGINFOD_URLS. The one place of pprof-symbolize that may use the
 * network, and only if PPROF_DEBUGINFOD=1 says so.
 *
 * debugfile.c and locate.c ask for what they do not find on this machine. What is fetched stays in
 * the cache of the debuginfod client (~/.cache/debuginfod_client), which later runs read.
 */
#ifndef ENCODER_SYMBOLIZE_FETCH_H
#define ENCODER_SYMBOLIZE_FETCH_H

enum fetch_kind { FETCH_DEBUG_FILE, FETCH_BINARY };

/* Reads the environment. main() calls it before anything else. */
void fetch_init(void);

/* The path of the file with that build id (hexadecimal), malloc'ed. NULL: nothing may be fetched,
 * no server has it, or none answers. A server that does not answer in time is not asked again in
 * this run, whichever process has asked. */
char *fetch_file(enum fetch_kind kind, const char *build_id);

#endif
