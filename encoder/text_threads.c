/* SPDX-License-Identifier: MIT
 *
 * See text_threads.h.
 */
#include "encoder/text_threads.h"

#include "encoder/maps.h"
#include "encoder/text_out.h"

static void put_frame(struct text_out *out, const struct maps *maps, uintptr_t pc)
{
    if (pc < PSEUDO_PC_LIMIT) {
        const char *name = pseudo_name(pc);
        text_out_put(out, name ? name : "[unknown]");
        text_out_put(out, "\n");
        return;
    }
    uint32_t id = maps_find(maps, pc - 1);
    const struct mapping *m = id ? maps_mapping(maps, id) : NULL;
    text_out_put_hex(out, pc - 1);
    text_out_put(out, "\n\t");
    text_out_put(out, m ? maps_text(maps, m->file) : "?");
    text_out_put(out, "+");
    text_out_put_hex(out, m ? pc - 1 - m->start + m->offset : pc - 1);
    text_out_put(out, "\n");
}

/* The return address that "created by" shows: the innermost one in the main program, if there is
 * one, and not in a library that makes threads on its behalf. */
static uintptr_t creator(const struct stack *s, const struct maps *maps)
{
    for (uint32_t i = 0; i < s->depth; i++) {
        if (s->pc[i] >= PSEUDO_PC_LIMIT && maps_find(maps, pc_address(s->pc[i]) - 1) == 1) {
            return pc_address(s->pc[i]);
        }
    }
    return pc_address(s->pc[0]);
}

static void put_thread(struct text_out *out, const struct maps *maps,
                       const struct snapshot_thread *t)
{
    text_out_put(out, "thread ");
    text_out_put_int(out, t->tid);
    text_out_put(out, " ");
    text_out_put_quoted(out, t->name);
    text_out_put(out, " [");
    text_out_put(out, t->state ? t->state : "unknown");
    if (t->minutes > 0) {
        text_out_put(out, ", ");
        text_out_put_int(out, t->minutes);
        text_out_put(out, " minutes");
    }
    text_out_put(out, "]:\n");
    for (uint32_t i = 0; i < t->stack->depth; i++) {
        put_frame(out, maps, pc_address(t->stack->pc[i]));
    }
    if (t->created) {
        text_out_put(out, "created by ");
        put_frame(out, maps, creator(t->created, maps));
    }
    text_out_put(out, "\n");
}

int text_threads_write(const struct snapshot *snap, const struct maps *maps,
                       const struct byte_sink *sink)
{
    struct text_out out = {.sink = sink};
    for (size_t i = 0; i < snap->threads && out.error == 0; i++) {
        put_thread(&out, maps, &snap->thread[i]);
    }
    text_out_put_maps(&out, maps);
    return text_out_finish(&out);
}
