/* SPDX-License-Identifier: MIT
 *
 * Plain data between the collectors, which fill it in, and the encoder, which writes it into files;
 * neither includes the other's headers. What can be reached from other threads is never changed
 * again, except the sample array of a snapshot, which belongs to the dump that took it.
 */
#ifndef COLLECTORS_SNAPSHOT_H
#define COLLECTORS_SNAPSHOT_H

#include "collectors/base/arch/arch.h"

/* A call stack, leaf first. pc[i] is a return address, or an interrupted instruction plus one;
 * files hold pc_address(pc[i]) − 1. Values below PSEUDO_PC_LIMIT are of enum pseudo_pc. */
struct stack {
    uint64_t hash;
    uint32_t depth;
    uint32_t heap_sizes; /* distinct object sizes that the heap profile keeps for this stack */
    uintptr_t pc[];
};

/* The bits of a stored pc above its address: a number of the module that was loaded there when the
 * stack was taken, see unloaded.h. */
enum { PC_MODULE_SHIFT = ARCH_ADDRESS_BITS, PC_NO_MODULE = 0x7fff };

static inline uint32_t pc_module(uintptr_t pc)
{
    uintptr_t n = pc >> PC_MODULE_SHIFT;
    return n <= PC_NO_MODULE ? (uint32_t)n : 0; /* larger: an address of the kernel's */
}

static inline uintptr_t pc_address(uintptr_t pc)
{
    return pc_module(pc) ? pc & ARCH_ADDRESS_MASK : pc;
}

/* A code segment of a module that has been unloaded: [start, limit), mapped from that offset. */
struct past_code {
    uintptr_t start, limit;
    uint64_t offset;
    uint32_t module; /* as pc_module() says it */
    uint32_t build_id_bytes;
    const char *file;
    const unsigned char *build_id;
};
enum { PAST_ID_MAX = 64 };

/* Frames that are no code, but tell something of the stack by their name. */
enum pseudo_pc {
    PSEUDO_TRUNCATED = 1,  /* the walk could not be proven beyond here */
    PSEUDO_SELF,           /* time inside this library */
    PSEUDO_THREAD_END,     /* CPU that the kernel had not yet signalled when the thread ended */
    PSEUDO_LOST_MEMORY,    /* events with no room left to keep them */
    PSEUDO_LOST_UNSAMPLED, /* CPU of the process that no timer covered */
    PSEUDO_PROCESS_START,  /* CPU of the process before the library could look */
    PSEUDO_LOST_LOCK,      /* waits for a lock of the profiler's own */
    PSEUDO_ALLOCATOR_LOCK, /* waits inside the program's allocator */
    PSEUDO_NO_RESPONSE,    /* a thread whose stack could not be had */
    PSEUDO_SKIPPED,        /* an entry whose skip is larger than its stack */
    PSEUDO_PC_LIMIT = 64,
};
/* The name of a pseudo frame, "[truncated]" and so on; NULL for the unused values. */
const char *pseudo_name(uintptr_t pc);

enum { SNAPSHOT_VALUES = 4 };

/* A label set, sorted by key. */
struct labels {
    uint32_t count;
    struct label {
        const char *key, *value;
    } label[];
};

/* Which thread a sample is of, for the labels "thread" and "tid". */
struct thread_name {
    int tid;       /* 0 = not told */
    char name[16]; /* empty = none */
};

struct snapshot_sample {
    const struct stack *stack;
    uint64_t bytes_label;        /* object size for the heap's numeric label "bytes"; 0 = none */
    const struct labels *labels; /* NULL = none */
    const struct thread_name *thread; /* NULL = not told */
    int64_t value[SNAPSHOT_VALUES];
};

struct value_type {
    const char *type;
    const char *unit;
};

/* What a profile is, whatever it holds at the moment: one row of collectors/kinds.c. */
struct profile_shape {
    const char *name; /* as in the file's name */
    struct value_type sample_type[SNAPSHOT_VALUES];
    int values;      /* how many of them are in use */
    unsigned states; /* bits 1 << i: value i is a state of the moment, and no count of events */
    struct value_type period_type;
    const char *default_sample_type;
};

/* One thread at one moment. */
struct snapshot_thread {
    int tid;
    int minutes; /* that it has been waiting; 0 = less, or not known */
    char name[16];
    const char *state; /* in a word or two; never freed */
    const struct stack *stack;
    const struct stack *created; /* of the thread that made it; NULL = not known */
    const struct labels *labels;
};

/* One profile at one moment. */
struct snapshot {
    const struct profile_shape *shape;
    int64_t period;
    int64_t time_nanos;     /* when the dump began, CLOCK_REALTIME; one for all its profiles */
    int64_t duration_nanos; /* 0 = not written */
    const struct snapshot_sample *sample;
    size_t samples;
    const struct snapshot_thread *thread; /* goroutine alone */
    size_t threads;
};

#endif
