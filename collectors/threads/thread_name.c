/* SPDX-License-Identifier: MIT
 *
 * See thread_name.h. Ids and names are kept as stacks are: one copy of each pair, never freed,
 * which buckets point to. A program that makes threads all the time would fill the memory with
 * them, so there is a bound.
 */
#include "collectors/threads/thread_name.h"

#include "collectors/base/arena.h"
#include "collectors/base/hash.h"
#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "collectors/tables/hashset.h"

#include <string.h>
#include <sys/prctl.h>

READ_OFTEN bool thread_name_on;
static struct hashset kept;

void thread_name_start(bool on)
{
    thread_name_on = on;
}

static bool is_equal(const void *node, const void *key)
{
    return memcmp(node, key, sizeof(struct thread_name)) == 0;
}

static void *copy(const void *key)
{
    const struct thread_name *of = key;
    uint64_t most = of->tid ? THREAD_NAMES_MAX : 2 * THREAD_NAMES_MAX;
    struct thread_name *n = hashset_count(&kept) < most ? arena_alloc(sizeof *n) : NULL;
    if (n) {
        *n = *of;
    }
    return n;
}

static const struct thread_name *keep(const struct thread_name *t)
{
    uint64_t half[2];
    memcpy(half, t->name, sizeof half);
    uint64_t h = hash_words((uint32_t)t->tid, half[0], half[1]);
    return hashset_find_or_add(&kept, h, t, is_equal, copy);
}

const struct thread_name *thread_name_keep(int tid, const char *name)
{
    struct thread_name t = {.tid = tid};
    size_t n = strnlen(name, sizeof t.name - 1);
    memcpy(t.name, name, n);
    text_make_utf8(t.name, n);
    const struct thread_name *found = keep(&t);
    if (!found && tid != 0 && n != 0) {
        t.tid = 0;
        found = keep(&t);
    }
    return found;
}

const struct thread_name *thread_name_ask(void)
{
    char name[16] = "";
    sys_call2(SYS_prctl, PR_GET_NAME, name);
    return thread_name_keep(sys_gettid(), name);
}
