/* SPDX-License-Identifier: MIT
 *
 * See unwind_trail.h. proven(), called by trail_follow(), is the hot path: two comparisons a frame.
 */
#include "collectors/stacks/unwind_trail.h"

#include <string.h>

static struct trail trails[TRAILS];
static uint32_t given;

static inline uintptr_t word_at(uintptr_t addr)
{
    return *(const volatile uintptr_t *)addr; /* NOLINT: a stack is made of integers */
}

/* The last frame up to `to` that is the same as in the last walk, if the one at `from` is. */
static inline uint32_t proven(const struct trail *t, uint32_t from, uint32_t to)
{
    uint32_t i = from;
    for (; i < to; i++) {
        uintptr_t sp = t->sp[i + 1];
        if (UNLIKELY(sp & 1)) {
            uint32_t save = t->save[i];
            if (save == SAVE_BREAK ||
                word_at(t->top - save * TRAIL_WORD) != t->top - t->bp[i + 1] * TRAIL_WORD) {
                break;
            }
            sp--;
        }
        if (UNLIKELY(word_at(sp - ARCH_RETURN_BELOW_CFA) != t->pc[i + 1])) {
            break;
        }
    }
    return i;
}

/* Moves n frames to lower indices or to higher ones. */
static void move(struct trail *t, uint32_t to, uint32_t from, uint32_t n)
{
    if (n > 0 && to != from) {
        memmove(&t->pc[to], &t->pc[from], n * sizeof t->pc[0]);
        memmove(&t->sp[to], &t->sp[from], n * sizeof t->sp[0]);
        memmove(&t->bp[to], &t->bp[from], n * sizeof t->bp[0]);
        memmove(&t->save[to], &t->save[from], n * sizeof t->save[0]);
    }
}

/* Moves the recorded frames to their place before the one at `before`, and releases the trail. */
static void keep(struct trail_walk *tw, uint32_t before, bool whole)
{
    struct trail *t = tw->trail;
    t->first = before - tw->fresh;
    t->whole = whole;
    move(t, t->first, 0, tw->fresh);
    tw->trail = NULL;
    STORE_RELEASE(&t->taken, 0);
}

/* The value of bp in frame i, to which the walk has followed the last one from the frame `from`,
 * where it was bp. To be called before the frames from `from` on join the recorded ones. */
static uintptr_t bp_at(struct trail_walk *tw, uint32_t from, uint32_t i, uintptr_t bp)
{
    const struct trail *t = tw->trail;
    for (uint32_t j = i; j-- > from;) {
        if (t->save[j] != 0) {
            tw->pending = (int32_t)(tw->fresh + (j - from));
            return word_at(t->top - t->save[j] * TRAIL_WORD);
        }
    }
    return bp;
}

/* Joins the frame at tw->at, the first of those that are followed, to the recorded ones: it is the
 * caller of the last of them, so that a CFA further up may depend on their bp. */
static void join(struct trail_walk *tw, const struct trail_frame *f)
{
    struct trail *t = tw->trail;
    t->sp[tw->at] = f->sp | tw->broken;
    if (t->bp[tw->at] == 0) {
        return;
    }
    for (int32_t i = (int32_t)tw->fresh - 1; i > tw->pending && t->bp[i] == 0; i--) {
        t->bp[i] = t->bp[tw->at];
    }
    if (tw->pending >= 0) {
        t->sp[tw->pending + 1 < (int32_t)tw->fresh ? (uint32_t)tw->pending + 1 : tw->at] |= 1;
    }
}

bool trail_follow(struct trail_walk *tw, struct trail_frame *f, uintptr_t *pcs, int max, int *n)
{
    struct trail *t = tw->trail;
    const uint32_t from = tw->at;
    uint32_t to = TRAIL_FRAMES - 1;
    if (to - from > (uint32_t)max) {
        to = from + (uint32_t)max;
    }
    const uint32_t i = proven(t, from, to);
    *n = (int)(i - from);
    memcpy(pcs, &t->pc[from + 1], (i - from) * sizeof pcs[0]);
    join(tw, f);
    if (i - from == (uint32_t)max || (i == TRAIL_FRAMES - 1 && t->whole)) {
        keep(tw, from, t->whole);
        return true;
    }
    f->pc = t->pc[i];
    f->sp = t->sp[i] & ~1UL;
    f->bp = bp_at(tw, from, i, f->bp);
    move(t, tw->fresh, from, i - from);
    if (i > from) {
        tw->broken = 0; /* if i == from, the frame that it concerns is not yet recorded */
    }
    tw->fresh += i - from;
    tw->at = i + 1;
    return false;
}

void trail_make_room(struct trail_walk *tw)
{
    if (tw->at < TRAIL_FRAMES) {
        tw->at = TRAIL_FRAMES;
    } else {
        keep(tw, TRAIL_FRAMES, false);
    }
}

void trail_drop(struct trail_walk *tw)
{
    tw->fresh = 0;
    keep(tw, TRAIL_FRAMES, false);
}

void trail_begin(struct trail_walk *tw, uint32_t *number, uint32_t generation, uintptr_t top)
{
    tw->trail = NULL;
    if (*number == 0) {
        *number = 1 + ADD(&given, 1) % TRAILS;
    }
    struct trail *t = &trails[*number - 1];
    if (__atomic_exchange_n(&t->taken, 1, __ATOMIC_ACQUIRE)) {
        *number = 0;
        return;
    }
    bool same = t->generation == generation && t->top == top;
    t->generation = generation;
    t->walks++;
    t->top = top;
    t->sp[TRAIL_FRAMES] = UINTPTR_MAX;
    tw->trail = t;
    tw->fresh = 0;
    tw->at = same ? t->first : TRAIL_FRAMES;
    tw->pending = -1;
    tw->broken = 0;
}

/* Packs a word and its place, see TRAIL_PLACE_SHIFT. False: one of them needs more bits. */
static bool word_put(uint64_t *word, uintptr_t sp, uintptr_t place, uintptr_t holds)
{
    uint64_t above = (place - sp) / TRAIL_WORD; /* too large for its bits if place is below sp */
    *word = above << TRAIL_PLACE_SHIFT | holds;
    return above >> (64 - TRAIL_PLACE_SHIFT) == 0 && holds >> TRAIL_PLACE_SHIFT == 0;
}

static uint32_t words_of(const struct trail *t, uintptr_t from, uint64_t *words, uint32_t max)
{
    uint32_t n = 0;
    for (uint32_t i = t->first; i < TRAIL_FRAMES - 1; i++) {
        uintptr_t sp = t->sp[i + 1];
        if (n + 2 > max || (sp & 1 && t->save[i] == SAVE_BREAK)) {
            return 0;
        }
        if (sp & 1) {
            sp--;
            if (!word_put(&words[n++], from, t->top - t->save[i] * TRAIL_WORD,
                          t->top - t->bp[i + 1] * TRAIL_WORD)) {
                return 0;
            }
        }
        if (!word_put(&words[n++], from, sp - ARCH_RETURN_BELOW_CFA, t->pc[i + 1])) {
            return 0;
        }
    }
    return n;
}

uint32_t trail_words(uint32_t number, uint32_t generation, uintptr_t top,
                     const struct trail_frame *f, uint64_t *words, uint32_t max, bool *bp_counts)
{
    struct trail *t = &trails[number - 1];
    uint32_t n = 0;
    *bp_counts = false;
    if (__atomic_exchange_n(&t->taken, 1, __ATOMIC_ACQUIRE)) {
        return 0;
    }
    const uint32_t at = t->first;
    if (t->generation == generation && t->top == top && t->whole && at < TRAIL_FRAMES &&
        t->pc[at] == f->pc && (t->sp[at] ^ f->sp) <= 1) {
        *bp_counts = t->bp[at] != 0;
        if (!*bp_counts || t->top - t->bp[at] * TRAIL_WORD == f->bp) {
            n = words_of(t, f->sp, words, max);
        }
    }
    STORE_RELEASE(&t->taken, 0);
    return n;
}

void trail_finish(struct trail_walk *tw, bool whole)
{
    keep(tw, TRAIL_FRAMES, whole);
}

void trail_fork_child(void)
{
    uint32_t used = LOAD(&given); /* trails never given lie on pages that are to stay untouched */
    for (uint32_t i = 0; i < used && i < TRAILS; i++) {
        if (trails[i].taken) {
            trails[i].first = TRAIL_FRAMES;
            trails[i].taken = 0;
        }
    }
}
