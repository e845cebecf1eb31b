/* SPDX-License-Identifier: MIT
 *
 * A dump's files belong to the user and group that the program has at that moment. A scribe that is
 * made for one dump is born with the program's credentials. One that stays (PPROF_INTERVAL) may be
 * older than a setuid() of the program, and takes the new ones over before each dump. Runs in the
 * scribe.
 */
#ifndef PRELOAD_CREDENTIALS_H
#define PRELOAD_CREDENTIALS_H

/* Makes the calling process's real, effective and saved user and group ids, and its supplementary
 * groups, those of process `pid`, as /proc/PID/status tells them. What cannot be read, or what the
 * kernel does not permit, stays as it is. */
void credentials_follow(int pid);

#endif
