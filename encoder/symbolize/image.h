/* SPDX-License-Identifier: MIT
 *
 * What the file of a module says about itself: its build id and its segments.
 *
 * Used by locate.c and debugfile.c (is this the right file?) and resolve.c (where in the file is an
 * address?). The Elf handle belongs to the caller; a struct image is freed by image_free.
 */
#ifndef ENCODER_SYMBOLIZE_IMAGE_H
#define ENCODER_SYMBOLIZE_IMAGE_H

#include "encoder/symbolize/mapping.h"

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image {
    GElf_Phdr *loads; /* the PT_LOAD headers, in their order */
    size_t nloads;
    bool fixed; /* ET_EXEC: runs where it says */
};

int image_read(struct image *image, Elf *elf);
void image_free(struct image *image);

/* The address that the file itself gives to `address`, which lay in `mapping` of it. */
bool image_vaddr(const struct image *image, const struct mapping *mapping, uint64_t address,
                 uint64_t *vaddr);

/* Is this address of the file inside an executable segment? */
bool image_executable(const struct image *image, uint64_t vaddr);

/* Build id as lower-case hexadecimal; "" if there is none. 0, or -ENOEXEC: not an ELF file. */
enum { IMAGE_ID_SIZE = 129 }; /* 64 bytes of id, twice what any linker writes */
int image_build_id(int fd, char id[IMAGE_ID_SIZE]);
void image_hex(const void *bits, size_t len, char id[IMAGE_ID_SIZE]);

#endif
