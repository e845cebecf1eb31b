/* SPDX-License-Identifier: MIT
 *
 * The trail of a thread's last walk, by which the next one is spared what both have in common. The
 * stacks of one thread mostly differ near their leaves: where a walk meets a frame of the last one
 * (same pc, same sp, same bp), the same rules lead to the same slots, and if these still hold the
 * same words, the rest of the walk is the same. So it is not walked again: its words are compared,
 * which needs no rule and, other than walking, no word to be there before the next can be looked
 * for.
 *
 * A frame's proof is its return address, and its caller's bp only where a frame further up makes
 * its CFA from that: code without frame pointers keeps anything in bp.
 *
 * Frames lie in order, the outermost at the end. A walk puts its own frames at the beginning, into
 * the room of those that it has passed, and moves them to their place when it ends or follows.
 *
 * Life: one trail for each of the first TRAILS threads, shared in turn by more. Who walks holds it
 * by `taken`; a handler that interrupts a walk finds it taken and walks without. Called by unwind.c
 * and, when a walk has ended, unwind_proof.c; SIGNAL_SAFE throughout, no lock to wait for.
 */
#ifndef COLLECTORS_UNWIND_TRAIL_H
#define COLLECTORS_UNWIND_TRAIL_H

#include "collectors/base/arch/arch.h"

#define TRAIL_WORD sizeof(uintptr_t)
#define TRAIL_STACK_MAX (1UL << 33) /* bytes of a stack whose words have a number in 30 bits */

enum {
    TRAILS = 128,
    TRAIL_FRAMES = 192, /* of a deeper stack, those next to the leaf */
};
#define SAVE_BREAK UINT32_MAX

struct trail {
    uint32_t taken;
    uint32_t generation; /* of the rules */
    uint32_t first;      /* the leaf; TRAIL_FRAMES = there are no frames */
    uint32_t walks;      /* that have used it */
    bool whole;          /* the last frame is the outermost, by its rule */
    uintptr_t top;       /* of the stack */
    uintptr_t pc[TRAIL_FRAMES];
    /* The return address pc lies below it. Odd: that is not all of the frame's proof; the save of
     * the one before matters too. One more, the highest address, ends every search. */
    uintptr_t sp[TRAIL_FRAMES + 1];
    /* Places by their number: words below top. */
    uint32_t bp[TRAIL_FRAMES];   /* bp in the frame, if that matters further up; 0 = it does not */
    uint32_t save[TRAIL_FRAMES]; /* where the caller's bp is; 0 = still in bp; SAVE_BREAK = the
                                  * caller was not found by a simple rule: follow no further */
} __attribute__((aligned(CACHE_LINE)));

/* A walk's use of a trail. Indices into its arrays. */
struct trail_walk {
    struct trail *trail; /* NULL = none */
    uint32_t fresh;      /* frames that this walk found, at [0, fresh) */
    uint32_t at;         /* the first frame of the last walk that may still be met; > fresh */
    int32_t pending;     /* the frame that bp was last restored by; -1 = none */
    uint32_t broken;     /* 1 = and by no simple rule, or from nowhere, so that the next is odd */
};

/* The registers of a walk between two steps. */
struct trail_frame {
    uintptr_t pc, sp, bp;
};

/* Begins a walk of the calling thread on its stack, which may be read from the first frame's sp up
 * to top, both multiples of words and at most TRAIL_STACK_MAX apart. *number: of the thread's
 * trail, 0 at first. Takes that trail until trail_finish; where it is taken already, tw->trail is
 * NULL, and the thread will have another one the next time. */
void trail_begin(struct trail_walk *tw, uint32_t *number, uint32_t generation, uintptr_t top);

static inline uint32_t trail_number(const struct trail *t, uintptr_t place)
{
    return (uint32_t)((t->top - place) / TRAIL_WORD);
}

/* Whether the frame f was met by the last walk too: tw->at is it. */
static inline bool trail_meets(struct trail_walk *tw, const struct trail_frame *f)
{
    const struct trail *t = tw->trail;
    uint32_t at = tw->at;
    while (t->sp[at] < f->sp) {
        at++;
    }
    tw->at = at;
    if (LIKELY((t->sp[at] ^ f->sp) > 1) || t->pc[at] != f->pc) {
        return false;
    }
    return t->bp[at] == 0 || t->top - t->bp[at] * TRAIL_WORD == f->bp;
}

/* Follows the last walk from the frame f that it meets, for at most max frames. pcs receives those
 * that are proven, f's own not among them, and *n their number; *f becomes the last one. True if it
 * is the outermost of the stack, or the last of max; otherwise the walk goes on from f, which is
 * not yet recorded. */
bool trail_follow(struct trail_walk *tw, struct trail_frame *f, uintptr_t *pcs, int max, int *n);

/* Makes room by forgetting the last walk; if there is none, ends the recording. */
COLD void trail_make_room(struct trail_walk *tw);
/* Ends the recording, and keeps nothing. */
COLD void trail_drop(struct trail_walk *tw);

/* Records the frame f. Its sp is a multiple of words. */
static inline void trail_record(struct trail_walk *tw, const struct trail_frame *f)
{
    if (UNLIKELY(tw->fresh >= tw->at)) {
        trail_make_room(tw);
        if (!tw->trail) {
            return;
        }
    }
    struct trail *t = tw->trail;
    uint32_t i = tw->fresh++;
    t->pc[i] = f->pc;
    t->sp[i] = f->sp | tw->broken;
    t->bp[i] = 0;
    t->save[i] = 0;
    tw->broken = 0;
}

/* The CFA of the last recorded frame is made from bp. */
static inline void trail_bp_used(struct trail_walk *tw, uintptr_t bp)
{
    struct trail *t = tw->trail;
    uint32_t number = trail_number(t, bp);
    if (UNLIKELY(t->top - bp - 1 >= TRAIL_STACK_MAX || bp % TRAIL_WORD)) {
        trail_drop(tw); /* it has no number */
        return;
    }
    for (int32_t i = (int32_t)tw->fresh - 1; i > tw->pending && t->bp[i] == 0; i--) {
        t->bp[i] = number;
    }
    if (tw->pending >= 0) {
        t->sp[tw->pending + 1] |= 1;
    }
}

/* The last recorded frame's caller has its bp from slot, at or above the frame's sp; 0 = it was
 * not found by a simple rule, or not there. */
static inline void trail_bp_restored(struct trail_walk *tw, uintptr_t slot)
{
    struct trail *t = tw->trail;
    tw->pending = (int32_t)tw->fresh - 1;
    t->save[tw->pending] = slot ? trail_number(t, slot) : SAVE_BREAK;
    tw->broken = slot == 0;
}

/* A word of the stack with its place, as trail_words() tells it: the value, and in the bits above
 * an address how many words the place lies above the first frame's sp. */
#define TRAIL_PLACE_SHIFT ARCH_ADDRESS_BITS

/* The words that have led a walk of this trail from the frame f, so many, to be found at their
 * places again if a walk is to be led the same way; each with its place. *bp_counts: bp
 * in f is among them. 0 where the last walk was none from there to the outermost frame, or they are
 * more than max. */
uint32_t trail_words(uint32_t number, uint32_t generation, uintptr_t top,
                     const struct trail_frame *f, uint64_t *words, uint32_t max, bool *bp_counts);

/* The walk is over, or leaves what a trail can describe: keeps the frames recorded, and releases
 * the trail. whole: the last one is the outermost, by its rule. */
void trail_finish(struct trail_walk *tw, bool whole);

/* In a forked child: no other thread holds any. */
void trail_fork_child(void);

#endif
