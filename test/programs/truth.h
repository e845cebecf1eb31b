/* SPDX-License-Identifier: MIT
 * What the test programs share: functions that stay in every stack (SITE), a record of the requests
 * that they make, CPU clocks. Each program prints its record as one JSON line, which
 * test/lib/truth.py reads. The record is static memory, so that keeping it allocates nothing.
 */
#ifndef TEST_PROGRAMS_TRUTH_H
#define TEST_PROGRAMS_TRUTH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RUSAGE_THREAD */
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#ifdef __cplusplus
/* extern "C": the symbol is the site's name in the record. */
#define SITE extern "C" __attribute__((noipa))
#else
#define SITE __attribute__((noipa))
#endif

/* Makes the compiler take p as used, so that it removes no pair of malloc and free. */
static inline void keep(void *p)
{
    __asm__ volatile("" : : "g"(p) : "memory");
}

enum { CLASSES = 64, SITES = 40 };

struct classes {
    int n;
    size_t size[CLASSES];
    long count[CLASSES];
};

struct site {
    const char *name;
    struct classes alloc, inuse;
};

static struct site books[SITES];
static int sites;

static inline void classes_add(struct classes *c, size_t size, long count)
{
    int i = 0;
    while (i < c->n && c->size[i] != size)
        i++;
    if (i == CLASSES) {
        fprintf(stderr, "more than %d sizes at one site\n", CLASSES);
        exit(2);
    }
    if (i == c->n) {
        c->n++;
        c->size[i] = size;
    }
    c->count[i] += count;
}

static inline struct site *site_named(const char *name)
{
    for (int i = 0; i < sites; i++)
        if (strcmp(books[i].name, name) == 0)
            return &books[i];
    if (sites == SITES) {
        fprintf(stderr, "more than %d sites\n", SITES);
        exit(2);
    }
    books[sites].name = name;
    return &books[sites++];
}

/* Records that a site made `count` requests of this size, of which `kept` are never freed. */
static inline void requests(const char *site, size_t size, long count, long kept)
{
    struct site *s = site_named(site);
    classes_add(&s->alloc, size, count);
    classes_add(&s->inuse, size, kept);
}

static inline void print_classes(const struct classes *c)
{
    for (int i = 0; i < c->n; i++)
        printf("%s[%zu, %ld]", i ? ", " : "", c->size[i], c->count[i]);
}

static inline void print_sites(void)
{
    printf("{\"sites\": {");
    for (int i = 0; i < sites; i++) {
        printf("%s\"%s\": {\"alloc\": [", i ? ", " : "", books[i].name);
        print_classes(&books[i].alloc);
        printf("], \"inuse\": [");
        print_classes(&books[i].inuse);
        printf("]}");
    }
    printf("}}\n");
    fflush(stdout);
}

/* Ends the program with a message if what an allocator or another call promises does not hold. */
static inline void must(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "broken: %s\n", what);
        exit(3);
    }
}

static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void sleep_ns(int64_t ns)
{
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    while (nanosleep(&t, &t) != 0) {
    }
}

static inline int64_t thread_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* How often the calling thread has lost its processor. If that changes around a reading of the
 * clock, the reading may be late by milliseconds. */
static inline long times_preempted(void)
{
    struct rusage used;
    getrusage(RUSAGE_THREAD, &used);
    return used.ru_nivcsw;
}

/* About 20 us of arithmetic between two looks at a clock. */
static inline void spin_a_little(void)
{
    for (int i = 0; i < 20000; i++)
        __asm__ volatile("" : : : "memory");
}

#endif
