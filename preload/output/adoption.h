/* SPDX-License-Identifier: MIT
 *
 * May a process of ours outlive the program? The kernel gives an orphan to the nearest ancestor
 * that has made itself a subreaper (prctl), else to process 1 of the pid namespace. What adopts a
 * process that it does not know must collect it when it ends, or a zombie stays for good; and a
 * program that counts its children must not find one more. symbolizer.c asks before it leaves
 * pprof-symbolize behind to put names into files of a program that has ended.
 */
#ifndef PRELOAD_ADOPTION_H
#define PRELOAD_ADOPTION_H

#include "collectors/base/abi.h"

/* Would an orphan of the calling process be collected, and not noticed? Yes, if no injected
 * ancestor has made itself a subreaper, and process 1 is an init: that of the machine always is;
 * that of another pid namespace (a container) if it has the name of a known one. A handful of
 * system calls; in the scribe, or where that does its work. */
bool adoption_collects(void);

#endif
