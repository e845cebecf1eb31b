/* SPDX-License-Identifier: MIT
 *
 * What pprof-symbolize knows of processors. It reads files of any machine, so this is a table by
 * the ELF header's e_machine, looked up at run time, and not a choice of the compiler. Without a
 * row for a file's machine, its PLT stubs get no names; all else works. To add a machine, add a row
 * to machine.c.
 */
#ifndef ENCODER_SYMBOLIZE_MACHINE_H
#define ENCODER_SYMBOLIZE_MACHINE_H

#include <stddef.h>
#include <stdint.h>

struct machine {
    uint16_t elf;         /* e_machine */
    uint32_t irelative;   /* type of the relocation whose addend is the resolver of an ifunc */
    uint8_t stub_size[2]; /* of a PLT, in bytes, the larger first; stubs are aligned to theirs */
    /* The address of the GOT slot through which the PLT stub jumps that begins at start; code are
     * its first len bytes, at most MACHINE_STUB_MAX. 0: this is no stub. */
    uint64_t (*stub_slot)(const uint8_t *code, size_t len, uint64_t start);
};
enum { MACHINE_STUB_MAX = 16 };

/* The row of an e_machine; NULL: there is none. */
const struct machine *machine_of(unsigned elf);

#endif
