/* SPDX-License-Identifier: MIT
 *
 * What the rest of preload/ may ask of the place that knows in which order the library starts and
 * stops.
 */
#ifndef PRELOAD_INIT_H
#define PRELOAD_INIT_H

/* The last dump, and no sample, timer or system call of ours from then on, for good; why goes to
 * the log. Any thread of the program, not SIGNAL_SAFE. */
void init_stand_down(const char *why);

#endif
