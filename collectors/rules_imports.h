/* SPDX-License-Identifier: MIT */
#ifndef COLLECTORS_RULES_IMPORTS_H
#define COLLECTORS_RULES_IMPORTS_H

#include "collectors/base/abi.h"

#include <link.h>

struct import {
    const char *name;
    uintptr_t to;
};

/* Lets every call that a loaded module makes to one of these functions, through its import tables,
 * go to where the list says. All or nothing: 0 or -errno. Constructor only. */
int imports_redirect(const struct link_map *module, const struct import *list, size_t n);

#endif
