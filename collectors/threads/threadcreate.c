/* SPDX-License-Identifier: MIT
 *
 * See threadcreate.h.
 */
#include "collectors/threads/threadcreate.h"

#include "collectors/stacks/stack.h"
#include "collectors/tables/recorded.h"
#include "collectors/tables/table.h"

enum {
    MADE = 0, /* value[] of a bucket */
    BASE = 1, /* MADE at the fork that made this process */
};

static struct table table;
static struct bucket lost_bucket;
static bool counting;    /* the profile is kept */
static bool remembering; /* another profile shows the stack that made each thread */

static void rebase_bucket(void *node, void *arg)
{
    struct bucket *b = node;
    (void)arg;
    b->value[BASE] = LOAD(&b->value[MADE]);
}

static void rebase(void)
{
    hashset_each(&table.set, rebase_bucket, NULL);
    rebase_bucket(&lost_bucket, NULL);
}

static void start(const struct collector_settings *s, uint32_t parts)
{
    lost_bucket.stack = stack_pseudo(PSEUDO_LOST_MEMORY);
    recorded_add(rebase);
    counting = parts != 0;
    remembering = s->needs & NEEDS_CREATORS;
}

const struct collector threadcreate_collector = {.start = start};

const struct stack *threadcreate_stack(void)
{
    return counting || remembering ? stack_of_caller() : NULL;
}

void threadcreate_made(const struct stack *stack)
{
    if (!counting) {
        return;
    }
    recorded_event();
    struct bucket *b = stack ? table_bucket(&table, stack, NULL, 0, 0) : NULL;
    ADD(&(b ? b : &lost_bucket)->value[MADE], 1);
}

static long made(const struct bucket *b)
{
    return (long)(LOAD(&b->value[MADE]) - b->value[BASE]);
}

static void add_made(void *node, void *arg)
{
    *(long *)arg += made(node);
}

long threadcreate_count(void)
{
    recorded_settle();
    long sum = made(&lost_bucket);
    hashset_each(&table.set, add_made, &sum);
    return sum;
}

static bool bucket_sample(const struct bucket *b, struct snapshot_sample *out)
{
    *out = (struct snapshot_sample){.stack = b->stack, .value = {made(b)}};
    return made(b) > 0;
}

size_t threadcreate_snapshot(struct snapshot_sample **out, size_t *bytes)
{
    struct bucket *const more[] = {&lost_bucket};
    return table_snapshot(&table, more, ARRAY_LEN(more), bucket_sample, out, bytes);
}
