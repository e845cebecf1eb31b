/* SPDX-License-Identifier: MIT
 *
 * The one instance a thread of struct self; see self.h.
 */
#include "collectors/base/self.h"

THREAD_LOCAL struct self self;
