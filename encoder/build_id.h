/* SPDX-License-Identifier: MIT
 *
 * The build id of an ELF object as it lies in memory: the name by which viewers and debuginfod know
 * the exact file. Called by maps.c while the program runs on and may unload the object: every byte
 * is read by a system call, which fails with EFAULT where a plain read would crash the process.
 */
#ifndef ENCODER_BUILD_ID_H
#define ENCODER_BUILD_ID_H

#include "collectors/base/abi.h"

enum { BUILD_ID_MAX = 64 }; /* bytes; linkers make 8, 16 or 20 */

/* The id of the object whose ELF header is at header and which has the byte at offset of its file
 * mapped at start. Its length, or 0: there is none, or header is not the header of that object. */
size_t build_id_read(uintptr_t header, uintptr_t start, uint64_t offset,
                     unsigned char id[BUILD_ID_MAX]);

/* Whether the object whose ELF header is at header has code of its file at start; *offset is where
 * in the file that is. */
bool build_id_text_offset(uintptr_t header, uintptr_t start, uint64_t *offset);

#endif
