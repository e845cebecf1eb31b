/* vdso.h: the kernel's own library, which is no file.
 *
 * Called by locate.c for a mapping called [vdso].
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef PPROFINJECT_SYMBOLIZE_VDSO_H
#define PPROFINJECT_SYMBOLIZE_VDSO_H

#include "module.h"

/* A copy of the process's vDSO in a memory file: fd or -errno. The caller closes it. */
int vdso_open(const struct module *module);

#endif
