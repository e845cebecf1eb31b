/* SPDX-License-Identifier: MIT  flags: -ldl */
/*
 * A library whose calls of locks and of pthread_cancel go to libc and not through the profiler: the
 * program's argument, which is this file built with -shared -DPLUGIN, is opened so that it is bound
 * to libc first. Its threads and the program's use the same mutex, and it cancels threads of the
 * program. Prints what the cancelled threads saw, and as its last line what was waited. Run by
 * e2e/block_variants.py.
 */
#include "known_wait.h"

#ifdef PLUGIN

int plugin_lock(pthread_mutex_t *m);
int plugin_unlock(pthread_mutex_t *m);
int plugin_cancel(pthread_t t);

__attribute__((noipa)) int plugin_lock(pthread_mutex_t *m)
{
    return pthread_mutex_lock(m);
}
__attribute__((noipa)) int plugin_unlock(pthread_mutex_t *m)
{
    return pthread_mutex_unlock(m);
}
__attribute__((noipa)) int plugin_cancel(pthread_t t)
{
    return pthread_cancel(t);
}

#else

#include <dlfcn.h>

static struct timespec far;
static atomic_bool stop;

static int (*plugin_lock)(pthread_mutex_t *), (*plugin_unlock)(pthread_mutex_t *);
static int (*plugin_cancel)(pthread_t);

static void *past_us(void *library, const char *name)
{
    void *found = library ? dlsym(library, name) : NULL;
    must(found != NULL, dlerror());
    return found;
}

static sem_t sems[2];
static int (*sem_call)(sem_t *);
static int in_sem_timedwait(sem_t *s)
{
    return sem_timedwait(s, &far);
}
static int in_sem_clockwait(sem_t *s)
{
    return sem_clockwait(s, CLOCK_REALTIME, &far);
}

static void *pending(void *arg)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    plugin_cancel(pthread_self());
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    sem_call(arg);
    return NULL;
}
static void *take(void *arg)
{
    sem_wait(arg);
    return NULL;
}

/* sem_wait is a cancellation point also when it need not wait: for a semaphore that no thread has
 * ever waited for, and for one that a thread has. */
static void cancel_pending(void)
{
    static const struct {
        const char *name;
        int (*call)(sem_t *);
    } calls[] = {{"sem_wait", sem_wait},
                 {"sem_timedwait", in_sem_timedwait},
                 {"sem_clockwait", in_sem_clockwait}};
    pthread_t t;
    far.tv_sec = time(NULL) + 100;
    sem_init(&sems[0], 0, 1);
    sem_init(&sems[1], 0, 0);
    pthread_create(&t, NULL, take, &sems[1]);
    sleep_ns(20000000);
    sem_post(&sems[1]);
    pthread_join(t, NULL);
    sem_post(&sems[1]);
    for (int i = 0; i < 6; i++) {
        void *result = NULL;
        int value = -1;
        sem_call = calls[i / 2].call;
        pthread_create(&t, NULL, pending, &sems[i % 2]);
        pthread_join(t, &result);
        sem_getvalue(&sems[i % 2], &value);
        printf("%s, %s: cancelled %d, value %d\n", calls[i / 2].name, i % 2 ? "waited for" : "new",
               result == PTHREAD_CANCELED, value);
        if (value == 0)
            sem_post(&sems[i % 2]);
    }
}

static void hold_past_us(struct known_wait *b)
{
    must(plugin_lock(&b->m) == 0, "plugin_lock");
}
WAIT(plugin_holds, pthread_mutex_lock(&b->m) || pthread_mutex_unlock(&b->m))
RELEASE(plugin_holds, plugin_unlock(&b->m))
WAIT(plugin_waits, plugin_lock(&b->m) || plugin_unlock(&b->m))
RELEASE(plugin_waits, pthread_mutex_unlock(&b->m))
RELOCK(beside_plugin)

static void *wait_past_us(void *arg)
{
    struct known_wait *b = arg;
    must(plugin_lock(&b->m) == 0 && plugin_unlock(&b->m) == 0, "plugin beside");
    return NULL;
}
static void hold_beside(struct known_wait *b)
{
    hold_mutex(b);
    pthread_create(&b->beside, NULL, wait_past_us, b);
}

static pthread_mutex_t mixed = PTHREAD_MUTEX_INITIALIZER;
static long turns_taken;
SITE void wait_mixed(void)
{
    must(stay(pthread_mutex_lock(&mixed)) == 0, "mixed");
}
SITE void release_mixed(void)
{
    must(stay(pthread_mutex_unlock(&mixed)) == 0, "mixed");
}
static void *mix(void *arg)
{
    long turns = 0;
    for (; !atomic_load(&stop); turns++) {
        if (arg)
            must(plugin_lock(&mixed) == 0, "mixed");
        else
            wait_mixed();
        turns_taken++;
        if (turns % 8 == 0)
            sleep_ns(20000);
        if (arg)
            must(plugin_unlock(&mixed) == 0, "mixed");
        else
            release_mixed();
    }
    return (void *)turns;
}

int main(int argc, char **argv)
{
    static struct known_wait waits[] = {
        {"plugin_holds", hold_past_us, wait_plugin_holds, release_plugin_holds, NULL, true, false,
         .ms = 150},
        {"plugin_waits", hold_mutex, wait_plugin_waits, release_plugin_waits, NULL, false, false,
         .ms = 150},
        {"beside_plugin", hold_beside, wait_beside_plugin, release_beside_plugin, NULL, true, true,
         .ms = 150},
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND) : NULL;
    *(void **)&plugin_lock = past_us(library, "plugin_lock");
    *(void **)&plugin_unlock = past_us(library, "plugin_unlock");
    *(void **)&plugin_cancel = past_us(library, "plugin_cancel");
    cancel_pending();
    for (int i = 0; i < 3; i++) {
        pthread_t waiter;
        pthread_create(&waiter, NULL, wait_side, &waits[i]);
        hold_side(&waits[i]);
        pthread_join(waiter, NULL);
        if (waits[i].beside)
            pthread_join(waits[i].beside, NULL);
    }
    pthread_t t[4];
    long turns = 0;
    for (long i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, mix, (void *)(i & 1));
    sleep_ns(500000000);
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++) {
        void *mine = NULL;
        pthread_join(t[i], &mine);
        turns += (long)mine;
    }
    must(turns == turns_taken, "mutual exclusion");
    print_known_waits(waits, 3, 0);
    return 0;
}

#endif
