/* SPDX-License-Identifier: MIT
 *
 * The library's own messages. Before main descriptor 2 is still what the user gave the program;
 * later it may be the program's database, so from then on there is silence. SIGNAL_SAFE.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "collectors/base/abi.h"

/* Writes "pprofinject: <text>\n" to stderr while the constructor runs; nothing afterwards. */
SIGNAL_SAFE void log_line(const char *text);

/* The constructor begins and ends. */
void log_open(void);
void log_close(void);

#endif
