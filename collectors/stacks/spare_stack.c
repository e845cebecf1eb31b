/* SPDX-License-Identifier: MIT
 *
 * See spare_stack.h. A stack is taken by an exchange and given back by a store; its memory comes
 * from the arena at its first use and is used again ever after.
 */
#include "collectors/stacks/spare_stack.h"

#include "collectors/base/arch/arch.h"
#include "collectors/base/arena.h"

/* A dump that the dump signal asks for needs most: 9 KiB. Only touched pages are memory. */
enum { SPARES = 32, SPARE_BYTES = 32 << 10 };
static struct spare {
    uint32_t taken;
    char *memory; /* SPARE_BYTES; NULL = not yet made */
} spares[SPARES];

static bool off;

void spare_stack_off(void)
{
    off = true;
}

static struct spare *spare_take(void)
{
    for (int i = 0; i < SPARES; i++) {
        struct spare *s = &spares[i];
        if (LOAD(&s->taken) || __atomic_exchange_n(&s->taken, 1, __ATOMIC_ACQUIRE)) {
            continue;
        }
        s->memory = s->memory ? s->memory : arena_alloc(SPARE_BYTES);
        if (s->memory) {
            return s;
        }
        STORE_RELEASE(&s->taken, 0);
        return NULL;
    }
    return NULL;
}

void spare_stack_call(void (*fn)(void *arg), void *arg)
{
    struct spare *s = off ? NULL : spare_take();
    if (!s) {
        fn(arg);
        return;
    }
    arch_call_on_stack(fn, arg, s->memory + SPARE_BYTES);
    STORE_RELEASE(&s->taken, 0);
}

void spare_stack_fork_child(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    for (int i = 0; i < SPARES; i++) {
        bool own = here - (uintptr_t)spares[i].memory < SPARE_BYTES;
        spares[i].taken = own && spares[i].memory ? 1 : 0;
    }
}
