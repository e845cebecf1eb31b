/* SPDX-License-Identifier: MIT  flags: -ldl -rdynamic
 *
 * Everything that Unix programs do, at random, in 16 threads: allocate, fork, dlopen, throw, exec
 * others, jump out of handlers, switch contexts, make threads that return, exit and are cancelled,
 * change signals and their masks. What it does follows from its seed and each thread's own turns;
 * the books of its allocations are exact. Run by e2e/everything_at_once.py as `everything_at_once
 * SEED SECONDS PLUGIN`.
 */
#include "truth.h"
#include <atomic>
#include <csetjmp>
#include <csignal>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <ucontext.h>
#include <unistd.h>

extern char **environ;

namespace
{

enum { THREADS = 16, SLOTS = 128, CLASS_BYTES = 48, SIZE_CLASSES = 32 };

struct worker {
    uint64_t random;
    void *slot[SLOTS];
    int size_class[SLOTS];
    long allocated[SIZE_CLASSES];
    uint64_t turns;
};

worker workers[THREADS];
std::atomic<bool> stop;
std::atomic<long> failures;
const char *plugin;
__thread sigjmp_buf back;
__thread volatile sig_atomic_t armed;
pthread_key_t key;

uint64_t draw(worker *w, uint64_t n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (w->random * 0x2545f4914f6cdd1dULL >> 33) % n;
}

void expect(bool good, const char *what)
{
    if (!good) {
        failures++;
        fprintf(stderr, "broken: %s: %m\n", what);
    }
}

} // namespace

SITE void *site_life(size_t n)
{
    void *p = malloc(n);
    keep(p);
    return p;
}

namespace
{

void allocate(worker *w)
{
    int i = (int)draw(w, SLOTS);
    if (w->slot[i] != nullptr) {
        expect(*(char *)w->slot[i] == (char)i, "content");
        free(w->slot[i]);
        w->slot[i] = nullptr;
    } else {
        int c = (int)draw(w, SIZE_CLASSES);
        w->slot[i] = site_life((size_t)(c + 1) * CLASS_BYTES);
        w->size_class[i] = c;
        w->allocated[c]++;
        *(char *)w->slot[i] = (char)i;
    }
}

void wait_for(pid_t child, int status_wanted, const char *what)
{
    int status = -1;
    pid_t got;
    do {
        got = waitpid(child, &status, 0);
    } while (got < 0 && errno == EINTR);
    bool good = got == child && WIFEXITED(status) && WEXITSTATUS(status) == status_wanted;
    if (!good)
        fprintf(stderr, "child %d: %d, status %x for %x\n", child, got, status, status_wanted);
    expect(good, what);
}

void fork_one(worker *w)
{
    int how = (int)draw(w, 3);
    pid_t child = fork();
    if (child == 0) {
        free(malloc(draw(w, 100000)));
        /* Not exit(): its lock may have been held, by a thread in dlclose that the child does not
         * have. */
        if (how == 0)
            execl("/bin/sh", "sh", "-c", "exit 11", (char *)nullptr);
        _exit(11);
    }
    expect(child > 0, "fork");
    wait_for(child, 11, "fork");
}

void vfork_one(worker *)
{
    pid_t child = vfork();
    if (child == 0) {
        execl("/bin/false", "false", (char *)nullptr);
        _exit(99);
    }
    wait_for(child, 1, "vfork");
}

void spawn_one(worker *w)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"exit 5", nullptr};
    pid_t child = -1;
    if (draw(w, 4) == 0) {
        expect(system("exit 3") == 3 << 8, "system");
        return;
    }
    expect(posix_spawnp(&child, "sh", nullptr, nullptr, argv, environ) == 0, "posix_spawn");
    wait_for(child, 5, "posix_spawn");
}

__attribute__((noinline)) int called_back(int n)
{
    free(malloc((size_t)n * 10));
    return 2 * n;
}

void load_one(worker *w)
{
    void *handle = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    expect(handle != nullptr, "dlopen");
    if (handle == nullptr)
        return;
    auto *run = (int (*)(int, int (*)(int), int))dlsym(handle, "plugin_run");
    int deep = (int)draw(w, 30); /* each frame adds its depth to the result */
    expect(run != nullptr && run(deep, called_back, 7) == 15 + deep * (deep + 1) / 2, "plugin");
    dlclose(handle);
}

__attribute__((noinline)) int descend(int n, bool thrower)
{
    if (n == 0 && thrower)
        throw std::runtime_error("from below");
    return n == 0 ? 0 : descend(n - 1, thrower) + 1;
}

void throw_one(worker *w)
{
    try {
        descend((int)draw(w, 40), true);
        expect(false, "throw");
    } catch (const std::runtime_error &) {
    }
}

void on_jump(int)
{
    if (armed) {
        armed = 0;
        siglongjmp(back, 1);
    }
}

void jump_out(worker *)
{
    if (sigsetjmp(back, 1) == 0) {
        armed = 1;
        raise(SIGUSR1);
        expect(false, "siglongjmp");
    }
    armed = 0;
}

void *ends_somehow(void *how)
{
    pthread_setspecific(key, malloc(100));
    switch ((long)how % 3) {
    case 0:
        pthread_exit(nullptr);
    case 1:
        for (;;)
            pause(); /* until cancelled */
    default:
        descend(10, false);
        return nullptr;
    }
}

void thread_one(worker *w)
{
    pthread_attr_t attr;
    pthread_t thread;
    long how = (long)draw(w, 6);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, how < 3 ? 16384 + 4096 : 1 << 20);
    if (pthread_create(&thread, &attr, ends_somehow, (void *)how) != 0) {
        expect(false, "pthread_create");
        return;
    }
    if (how % 3 == 1)
        pthread_cancel(thread);
    expect(pthread_join(thread, nullptr) == 0, "pthread_join");
    pthread_attr_destroy(&attr);
}

void coroutine()
{
    free(malloc(333));
}

void switch_one(worker *)
{
    static __thread char *stack;
    ucontext_t here, there;
    if (stack == nullptr)
        stack = (char *)mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                             -1, 0);
    getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = 65536;
    there.uc_link = &here;
    makecontext(&there, coroutine, 0);
    expect(swapcontext(&here, &there) == 0, "swapcontext");
}

void change_masks(worker *w)
{
    sigset_t all, before, now;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    free(malloc(draw(w, 1000)));
    sigpending(&now);
    expect(sigismember(&now, SIGPROF) == 0, "SIGPROF pending");
    pthread_sigmask(SIG_SETMASK, &before, &now);
    expect(sigismember(&now, SIGPROF) == 1 && sigismember(&now, SIGUSR2) == 1, "mask");
}

void change_handlers(worker *w)
{
    /* Only one thread changes signals: it checks that it finds what it has set. */
    if (w != workers)
        return;
    struct sigaction old;
    signal(SIGPROF, SIG_IGN);
    sigaction(SIGPROF, nullptr, &old);
    expect(old.sa_handler == SIG_IGN, "SIGPROF ignored");
    signal(SIGPROF, SIG_DFL);
    signal(SIGTERM, SIG_IGN);
    sigaction(SIGTERM, nullptr, &old);
    expect(old.sa_handler == SIG_IGN, "SIGTERM ignored");
    signal(SIGTERM, SIG_DFL);
}

void sleep_a_little(worker *w)
{
    struct timespec t = {0, (long)draw(w, 2000000)};
    errno = 0;
    expect(nanosleep(&t, nullptr) == 0 || errno == EINTR, "nanosleep");
}

void work(worker *w)
{
    static const struct {
        void (*run)(worker *);
        unsigned weight;
    } deeds[] = {
        {allocate, 4000},  {fork_one, 6},      {vfork_one, 3},       {spawn_one, 3},
        {load_one, 30},    {throw_one, 100},   {jump_out, 30},       {thread_one, 30},
        {switch_one, 100}, {change_masks, 50}, {change_handlers, 5}, {sleep_a_little, 20},
    };
    unsigned sum = 0;
    for (const auto &d : deeds)
        sum += d.weight;
    for (; !stop; w->turns++) {
        unsigned at = (unsigned)draw(w, sum);
        const auto *d = deeds;
        for (; at >= d->weight; d++)
            at -= d->weight;
        d->run(w);
    }
}

} // namespace

int main(int argc, char **argv)
{
    must(argc == 4, "usage");
    plugin = argv[3];
    pthread_key_create(&key, free);
    signal(SIGUSR1, on_jump);
    std::thread threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i].random = strtoull(argv[1], nullptr, 10) * 1000003 + (uint64_t)i + 1;
        threads[i] = std::thread(work, &workers[i]);
    }
    printf("ready\n");
    fflush(stdout);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += atoi(argv[2]);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
    stop = true;
    uint64_t turns = 0;
    for (int i = 0; i < THREADS; i++) {
        threads[i].join();
        turns += workers[i].turns;
        for (int c = 0; c < SIZE_CLASSES; c++)
            requests("site_life", (size_t)(c + 1) * CLASS_BYTES, workers[i].allocated[c], 0);
        for (int s = 0; s < SLOTS; s++)
            if (workers[i].slot[s] != nullptr)
                requests("site_life", (size_t)(workers[i].size_class[s] + 1) * CLASS_BYTES, 0, 1);
    }
    printf("%ld failures, no stranger: %d, turns: ", failures.load(),
           wait(nullptr) == -1 && errno == ECHILD);
    printf("%lu\n", turns);
    print_sites();
    return failures ? 1 : 0;
}
