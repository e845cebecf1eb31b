/* SPDX-License-Identifier: MIT
 *
 * The trail: the frames of a thread's last walk, which spare the next walk what both have in
 * common. Two stacks of one thread mostly differ near their leaves only. Where a walk meets a frame
 * of the last walk (same pc, same sp, same bp), the same rules lead to the same words of the stack;
 * if these still hold the same values, the rest of the walk is the same. So the walk only compares
 * them. That needs no rule; and the comparisons do not depend on each other, whereas a walk must
 * have read one frame before it knows where the next one is.
 *
 * What is compared of a frame is its return address, and its caller's bp only where a frame further
 * up makes its CFA from that value: code without frame pointers keeps other things in bp.
 *
 * The arrays hold the last walk's frames in order, the outermost one in the last element. The
 * current walk puts its frames into the first elements, which have no frames or those that the walk
 * has already passed, and moves them up to the rest when it ends or follows the last walk.
 *
 * There are TRAILS trails, for as many threads; further threads share them in turn. A walk takes
 * its trail by setting `taken`. A signal handler that interrupts a walk finds the trail taken, and
 * walks without one. unwind.c calls these functions, and unwind_proof.c trail_words(). SIGNAL_SAFE
 * throughout; no function waits.
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
    uint32_t generation; /* rules_generation() of the last walk */
    uint32_t first;      /* index of the last walk's leaf; TRAIL_FRAMES = there are no frames */
    uint32_t walks;      /* how many walks have used the trail */
    bool whole;          /* the last element is the outermost frame, by its rule */
    uintptr_t top;       /* the end of the stack that was walked */
    uintptr_t pc[TRAIL_FRAMES];
    /* The frame's sp; its return address pc[] lies below that. Bit 0 set: save[] of the frame
     * before must be compared too. The additional element is a sentinel: it ends every search. */
    uintptr_t sp[TRAIL_FRAMES + 1];
    /* Addresses in the stack, as their distance from top in words. */
    uint32_t bp[TRAIL_FRAMES];   /* bp in the frame, if a CFA further up depends on it; else 0 */
    uint32_t save[TRAIL_FRAMES]; /* where the caller's bp was saved; 0 = nowhere, bp still has it;
                                  * SAVE_BREAK = the caller was not found by a simple rule, so that
                                  * no walk may follow the trail beyond this frame */
} __attribute__((aligned(CACHE_LINE)));

/* A walk's use of a trail; the numbers are indices into its arrays. */
struct trail_walk {
    struct trail *trail; /* NULL = none */
    uint32_t fresh;      /* the frames of this walk are in [0, fresh) */
    uint32_t at;         /* the first frame of the last walk that may still be met; > fresh */
    int32_t pending;     /* the last frame of this walk that had saved bp; -1 = none */
    uint32_t broken;     /* 1 = save[] of the last frame is SAVE_BREAK, so that bit 0 of the next
                          * frame's sp is to be set */
};

/* The registers of a walk between two steps. */
struct trail_frame {
    uintptr_t pc, sp, bp;
};

/* Begins a walk of the calling thread on its stack, which may be read from the first frame's sp up
 * to top, both multiples of words and at most TRAIL_STACK_MAX apart. *number: the number of the
 * thread's trail, 0 if it has none yet; then one is given. Takes that trail until trail_finish().
 * Where another walk has taken it, tw->trail is NULL, and *number becomes 0. */
void trail_begin(struct trail_walk *tw, uint32_t *number, uint32_t generation, uintptr_t top);

static inline uint32_t trail_number(const struct trail *t, uintptr_t place)
{
    return (uint32_t)((t->top - place) / TRAIL_WORD);
}

/* Whether the last walk had the frame f too; then tw->at is its index. */
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

/* Follows the last walk from the frame f, for which trail_meets() was true, for at most max frames.
 * pcs receives the pcs of the frames above f that are the same as in the last walk, and *n their
 * number; *f becomes the last of them. True if the walk is over: that frame is the outermost one,
 * or the number is max. Otherwise the walk goes on from *f, which is not yet recorded. */
bool trail_follow(struct trail_walk *tw, struct trail_frame *f, uintptr_t *pcs, int max, int *n);

/* Makes room for the next frame by forgetting the last walk; if that was forgotten already,
 * releases the trail with the frames of this walk so far. */
COLD void trail_make_room(struct trail_walk *tw);
/* Releases the trail without frames. */
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

/* Tells that the CFA of the last recorded frame is made from bp. */
static inline void trail_bp_used(struct trail_walk *tw, uintptr_t bp)
{
    struct trail *t = tw->trail;
    uint32_t number = trail_number(t, bp);
    if (UNLIKELY(t->top - bp - 1 >= TRAIL_STACK_MAX || bp % TRAIL_WORD)) {
        trail_drop(tw); /* bp does not point into the stack */
        return;
    }
    for (int32_t i = (int32_t)tw->fresh - 1; i > tw->pending && t->bp[i] == 0; i--) {
        t->bp[i] = number;
    }
    if (tw->pending >= 0) {
        t->sp[tw->pending + 1] |= 1;
    }
}

/* Tells that the last recorded frame had saved its caller's bp in slot, at or above the frame's sp.
 * slot 0: the caller was not found by a simple rule, or the slot is elsewhere. */
static inline void trail_bp_restored(struct trail_walk *tw, uintptr_t slot)
{
    struct trail *t = tw->trail;
    tw->pending = (int32_t)tw->fresh - 1;
    t->save[tw->pending] = slot ? trail_number(t, slot) : SAVE_BREAK;
    tw->broken = slot == 0;
}

/* A word of the stack with its place, as trail_words() tells it: the low TRAIL_PLACE_SHIFT bits are
 * the word's value, the bits above are its distance from the first frame's sp, in words. */
#define TRAIL_PLACE_SHIFT ARCH_ADDRESS_BITS

/* The words of the stack by which the last walk of this trail got from the frame f to the outermost
 * one, each with its place; returns their number. As long as they are unchanged, a walk from f
 * finds the same frames. *bp_counts: that needs the same bp in f, too. 0 where the last walk did
 * not go from f to the outermost frame by simple rules, or there are more than max words. */
uint32_t trail_words(uint32_t number, uint32_t generation, uintptr_t top,
                     const struct trail_frame *f, uint64_t *words, uint32_t max, bool *bp_counts);

/* Ends the recording: releases the trail with the frames recorded. For when the walk is over, or
 * goes on where a trail cannot describe it. whole: the last frame is the outermost, by its rule. */
void trail_finish(struct trail_walk *tw, bool whole);

/* In a forked child: releases the trails that threads of the parent had taken. */
void trail_fork_child(void);

#endif
