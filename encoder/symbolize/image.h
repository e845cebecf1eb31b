/* SPDX-License-Identifier: MIT
 *
 * What a module's ELF file holds of itself: its build id and its segments.
 *
 * locate.c and debugfile.c ask it whether a file is the right one, resolve.c which address of the
 * file an address of the process is, plt.c and fde.c what lies at an address. The Elf handle
 * belongs to the caller; a struct image is freed by image_free.
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
    uint64_t frame_header; /* .eh_frame_hdr; 0 = there is none */
    bool fixed;            /* ET_EXEC: loaded at its own addresses */
};

int image_read(struct image *image, Elf *elf);
void image_free(struct image *image);

/* Turns `address` of the process, which lay in `mapping` of this file, into the file's own, *vaddr.
 * False: the mapping does not fit the file's segments. */
bool image_vaddr(const struct image *image, const struct mapping *mapping, uint64_t address,
                 uint64_t *vaddr);

/* The file's bytes from that address on; *len is their number up to the end of the segment. NULL:
 * no segment has the address. elf is the file that the image was read from. */
const uint8_t *image_bytes(const struct image *image, Elf *elf, uint64_t vaddr, size_t *len);

/* The start of the section of code that holds an address; of the segment, if the file says nothing
 * of sections. */
uint64_t image_code_start(const struct image *image, Elf *elf, uint64_t vaddr);

/* Whether an address of the file is in an executable segment. */
bool image_executable(const struct image *image, uint64_t vaddr);

/* image_build_id: the build id of an open file as lower-case hexadecimal, "" if it has none. 0, or
 * -ENOEXEC: it is no ELF file. image_hex: bytes as such text, cut to its size. */
enum { IMAGE_ID_SIZE = 129 }; /* 64 bytes of id, twice what any linker writes */
int image_build_id(int fd, char id[IMAGE_ID_SIZE]);
void image_hex(const void *bits, size_t len, char id[IMAGE_ID_SIZE]);

#endif
