/* SPDX-License-Identifier: MIT
 *
 * Called so that the program needs the library, whose constructor registers the fork handlers.
 */
#ifndef TEST_REGRESSION_HANDLERS_H
#define TEST_REGRESSION_HANDLERS_H

void handlers_needed(void);

#endif
