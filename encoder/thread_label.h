/* SPDX-License-Identifier: MIT
 *
 * The label "thread" of a sample, for model.c and text_samples.c. Pure.
 */
#ifndef ENCODER_THREAD_LABEL_H
#define ENCODER_THREAD_LABEL_H

#include "collectors/snapshot.h"

#include <string.h>

/* The thread's name; NULL = none, or the program has set a label of that key, which then stands
 * alone: some readers take one value for each key. */
static inline const char *thread_label(const struct snapshot_sample *s)
{
    bool taken = !s->thread || !s->thread->name[0];
    for (uint32_t i = 0; !taken && s->labels && i < s->labels->count; i++) {
        taken = strcmp(s->labels->label[i].key, "thread") == 0;
    }
    return taken ? NULL : s->thread->name;
}

#endif
