/* SPDX-License-Identifier: MIT
 *
 * Dumps are made with the credentials that the program has at that moment. A scribe made for one
 * dump is born with them; one that stays (PPROF_INTERVAL) follows them with this. Runs in the
 * scribe.
 */
#ifndef PRELOAD_CREDENTIALS_H
#define PRELOAD_CREDENTIALS_H

/* Takes on the user, group and supplementary groups of a process, as procfs tells them. What cannot
 * be read or may not be taken on stays as it is. */
void credentials_follow(int pid);

#endif
