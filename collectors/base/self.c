/* SPDX-License-Identifier: MIT
 *
 * See self.h: the instance of each thread.
 */
#include "collectors/base/self.h"

THREAD_LOCAL struct self self;
