/* SPDX-License-Identifier: MIT
 *
 * Makes the library a needed one: its constructor registers the fork handlers.
 */
#ifndef TEST_REGRESSION_HANDLERS_H
#define TEST_REGRESSION_HANDLERS_H

void handlers_needed(void);

#endif
