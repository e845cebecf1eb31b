/* SPDX-License-Identifier: MIT
 *
 * The kernel's own library, which is no file.
 *
 * Called by locate.c for a mapping called [vdso].
 */
#ifndef ENCODER_SYMBOLIZE_VDSO_H
#define ENCODER_SYMBOLIZE_VDSO_H

#include "encoder/symbolize/module.h"

/* A copy of the process's vDSO in a memory file: fd or -errno. The caller closes it. */
int vdso_open(const struct module *module);

#endif
