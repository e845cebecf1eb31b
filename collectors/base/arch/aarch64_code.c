/* SPDX-License-Identifier: MIT
 *
 * The functions of arch.h that are not inline, for AArch64: not yet written. `make ARCH=aarch64
 * CC=aarch64-linux-gnu-gcc arch-check` names them; x86_64_code.c is the example.
 */
#include "collectors/base/arch/arch.h"

#error "the port to AArch64 is not finished: its functions of arch.h are still to be written here"
