/* SPDX-License-Identifier: MIT
 *
 * An input of the walker's fuzz target, as bytes: this head, then head.frame_bytes of frame
 * information, then the stack, lowest word first. Every input means something; what is missing is
 * zero.
 */
#ifndef TEST_UNWIND_FUZZ_H
#define TEST_UNWIND_FUZZ_H

#include <stddef.h>
#include <stdint.h>

enum fuzz_mode {
    FUZZ_RAW_TABLE = 1 << 0, /* .eh_frame_hdr is in the input too; else it is made, and is good */
    FUZZ_RAW_FDE = 1 << 1,   /* the FDE's range is as in the input; else it covers all code */
    FUZZ_UNKNOWN_STACK = 1 << 2,
    FUZZ_RAW_STACK = 1 << 3, /* else two bits of a word say: as it is, code, stack, as it is */
    FUZZ_CONTEXT = 1 << 4,   /* the scratch registers are known, as in a signal handler */
};

struct fuzz_head {
    uint8_t mode;
    uint8_t lost; /* enum regs_lost */
    uint16_t frame_bytes;
    uint16_t fde_at; /* in the frame information */
    uint16_t pc_at;  /* in the code */
    uint16_t sp_at;  /* in the stack, in words */
    uint16_t bp_at;
    uint16_t other_at; /* the registers that a call keeps */
    uint16_t max;      /* frames */
};

enum { FUZZ_FRAME_MAX = 4096, FUZZ_STACK_MAX = 4096, FUZZ_INPUT_MAX = 8192 };

/* The target, by the name that libFuzzer calls. Aborts on a finding. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The longest that an input has taken, of this thread's CPU time. */
extern int64_t fuzz_worst_ns;

/* A likely input made from a number: sound or nearly sound frame information. fuzz_seeds.c. */
size_t fuzz_seed(uint64_t number, uint8_t *input);

#endif
