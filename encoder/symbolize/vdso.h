/* SPDX-License-Identifier: MIT
 *
 * Makes a file of the vDSO, the library that the kernel maps into every process from no file.
 *
 * Called by locate.c for a mapping called [vdso].
 */
#ifndef ENCODER_SYMBOLIZE_VDSO_H
#define ENCODER_SYMBOLIZE_VDSO_H

#include "encoder/symbolize/module.h"

/* Copies the process's vDSO into a memory file: a descriptor, which the caller closes, or -errno.
 */
int vdso_open(const struct module *module);

#endif
