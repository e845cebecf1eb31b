/* SPDX-License-Identifier: MIT
 *
 * See machine.h.
 */
#include "encoder/symbolize/machine.h"

#include <elf.h>
#include <string.h>

/* x86-64: `jmp *disp(%rip)`, with an endbr64 (for CET) or a bnd prefix (for MPX) before it or
 * without. .plt, .plt.sec and .plt.got are alike in that, whatever the linker and its options. */
static uint64_t x86_64_stub_slot(const uint8_t *code, size_t len, uint64_t start)
{
    static const uint8_t endbr64[4] = {0xf3, 0x0f, 0x1e, 0xfa};
    size_t at = len >= sizeof endbr64 && memcmp(code, endbr64, sizeof endbr64) == 0 ? 4 : 0;
    if (at < len && code[at] == 0xf2) { /* bnd */
        at++;
    }
    if (at + 6 > len || code[at] != 0xff || code[at + 1] != 0x25) {
        return 0;
    }
    int32_t disp;
    memcpy(&disp, code + at + 2, sizeof disp);
    return start + at + 6 + (uint64_t)(int64_t)disp;
}

static const struct machine machines[] = {
    {EM_X86_64, R_X86_64_IRELATIVE, {16, 8}, x86_64_stub_slot},
};

const struct machine *machine_of(unsigned elf)
{
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        if (machines[i].elf == elf) {
            return &machines[i];
        }
    }
    return NULL;
}
