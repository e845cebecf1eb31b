/* SPDX-License-Identifier: MIT
 *
 * See sleep_note.h: reading the note of another thread. The thread may end meanwhile, and its
 * struct self and stack be unmapped, so the kernel copies each.
 */
#include "collectors/threads/sleep_note.h"

#include "collectors/base/sys.h"

#include <string.h>

bool sleep_note_read(const struct thread *row, struct sleep_noted *noted)
{
    struct sleep_note note;
    struct sleep_call call;
    uintptr_t memory[ARCH_FRAME_BYTES / sizeof(uintptr_t)];
    uintptr_t caller[3]; /* pc, sp, bp */
    memset(noted, 0, sizeof *noted);
    uintptr_t at = (uintptr_t)LOAD(&row->sleep);
    if (!at || sys_read_memory(&note, at, sizeof note) != 0 || note.frame < row->stack_lo ||
        note.frame >= row->stack_hi ||
        sys_read_memory(&call, (uintptr_t)note.call, sizeof call) != 0 ||
        sys_read_memory(&noted->function, (uintptr_t)call.function, sizeof noted->function) != 0 ||
        sys_read_memory(memory, note.frame, sizeof memory) != 0) {
        return false;
    }
    noted->frame = note.frame;
    noted->number = call.number;
    noted->caller.lost = LOST_ALL_BUT_BP;
    arch_caller_of_frame(note.frame, memory, caller);
    noted->caller.pc = caller[0];
    noted->caller.sp = caller[1];
    noted->caller.bp = caller[2];
    return caller[0] == note.caller; /* else the hook was left by a longjmp */
}

uintptr_t sleep_note_above(const struct thread *row, uintptr_t sp)
{
    struct sleep_note note;
    uintptr_t at = (uintptr_t)LOAD(&row->sleep);
    return at && sys_read_memory(&note, at, sizeof note) == 0 && note.frame - sp < SLEEP_NOTE_REACH
               ? note.frame
               : 0;
}
