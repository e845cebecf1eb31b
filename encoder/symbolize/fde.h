/* SPDX-License-Identifier: MIT
 *
 * Where functions begin and end, as a module's frame information (.eh_frame) says.
 *
 * answer.c asks for addresses that no symbol covers. Stripped files keep this information, since
 * exceptions and stack walks need it.
 */
#ifndef ENCODER_SYMBOLIZE_FDE_H
#define ENCODER_SYMBOLIZE_FDE_H

#include "encoder/symbolize/image.h"

/* A function: an FDE (frame description entry) of the frame information covers it. */
struct fde {
    uint64_t start, end;
};

/* All zeros at first; opened by the first fde_find(). */
struct fdes {
    bool opened;
    Elf_Data *frames;    /* .eh_frame, up to the end of its segment; NULL: there is none */
    uint64_t frames_at;  /* its address */
    const uint8_t *rows; /* the table of .eh_frame_hdr; NULL: there is none */
    size_t nrows;
    struct fde *all; /* without that table: all of them, by start */
    size_t nall, all_cap;
};

/* The function that begins at `vaddr` or is the last one before it. False: there is none, or the
 * frame information cannot be read. The caller looks whether the address is before its end. */
bool fde_find(struct fdes *fdes, Elf *elf, const struct image *image, uint64_t vaddr,
              struct fde *fde);
void fdes_free(struct fdes *fdes);

#endif
