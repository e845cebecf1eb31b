// SPDX-License-Identifier: MIT
//
// Eight threads that do, in a seeded order, what makes stacks hard to walk: load and unload code,
// throw, switch stacks by ucontext and by hand, fork, run handlers on alternate stacks, jump, and
// make threads of 16 KiB, while storm_walk.c takes their stacks thousands of times a second.
//
//     storm walk|bare SECONDS SEED PLUGIN...     bare: no walks; for a profiler that is preloaded
//
// Ends with one line of JSON and the status 0 if nothing was wrong.
#include "test/unwind/storm.h"

#include <alloca.h>
#include <atomic>
#include <climits>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

#define NOINLINE __attribute__((noinline, noclone))

static std::vector<const char *> plugins;
static std::atomic<bool> over;
static std::atomic<long> unloads, throws, switches, forks, failed, threads, jumps;
static unsigned long seed;
static volatile long sink;

namespace
{

struct Random {
    unsigned long state;
    unsigned long operator()(unsigned long below)
    {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state % below;
    }
};

thread_local Random *draw;

NOINLINE int spin(int n)
{
    long sum = 0;
    for (int i = 0; i < 200 + n; i++) {
        sum += i * n;
        __asm__ volatile("" : "+r"(sum));
    }
    sink = sum;
    return n;
}

// ---- code that comes and goes ----

void plugin(int thread)
{
    const char *path = plugins[thread % plugins.size()];
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    using Run = int (*)(int, int (*)(int), int);
    auto run = so ? reinterpret_cast<Run>(dlsym(so, "plugin_run")) : nullptr;
    if (!run) {
        failed++;
        return;
    }
    for (int i = 0; i < 4; i++) {
        run(static_cast<int>((*draw)(12)), spin, i);
    }
    dlclose(so);
    void *left = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    if (left) {
        dlclose(left); // another thread has it too
    } else {
        unloads++;
    }
    storm_unloaded();
}

// ---- exceptions ----

struct Guard {
    int depth;
    explicit Guard(int d) : depth(d)
    {
    }
    Guard(const Guard &) = delete;
    ~Guard()
    {
        spin(depth);
    }
};

NOINLINE void thrower(int depth)
{
    Guard guard(depth);
    if (depth == 0) {
        throw std::runtime_error("storm");
    }
    if (depth % 4 == 3) {
        try {
            thrower(depth - 1);
        } catch (const std::exception &) {
            spin(depth);
            throw;
        }
    } else {
        thrower(depth - 1);
    }
}

void exceptions(int)
{
    try {
        thrower(static_cast<int>((*draw)(14)));
    } catch (const std::exception &e) {
        sink = static_cast<long>(std::strlen(e.what()));
        throws++;
    }
}

// ---- coroutines ----

constexpr size_t coroutine_bytes = 32 << 10;

NOINLINE void deeper(int depth, void (*leaf)())
{
    volatile char room[40];
    room[0] = static_cast<char>(depth);
    if (depth > 0) {
        deeper(depth - 1, leaf);
    } else {
        leaf();
    }
    sink = room[0];
}

thread_local ucontext_t outside, inside;

void leave()
{
    spin(3);
    swapcontext(&inside, &outside);
    spin(4);
}

void in_ucontext()
{
    deeper(5, leave);
    deeper(2, leave);
}

void *new_stack()
{
    void *stack =
        mmap(nullptr, coroutine_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return stack == MAP_FAILED ? nullptr : stack;
}

void by_ucontext(int)
{
    void *volatile stack = new_stack();
    getcontext(&inside);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = coroutine_bytes;
    inside.uc_link = &outside;
    makecontext(&inside, in_ucontext, 0);
    for (int i = 0; i < 3; i++) {
        swapcontext(&outside, &inside);
        spin(i);
    }
    switches += 3;
    munmap(stack, coroutine_bytes);
}

extern "C" void storm_switch(void **left, void *entered);
extern "C" void storm_entry();

thread_local void *sp_outside, *sp_inside;

void leave_by_hand()
{
    spin(5);
    storm_switch(&sp_inside, sp_outside);
    spin(6);
}

void in_hand_made(void *)
{
    deeper(6, leave_by_hand);
    deeper(1, leave_by_hand);
    for (;;) {
        leave_by_hand();
    }
}

void by_hand(int)
{
    auto *stack = static_cast<char *>(new_stack());
    auto **top = reinterpret_cast<void **>(stack + coroutine_bytes) - 8;
    void *made[] = {nullptr,
                    nullptr,
                    nullptr,
                    reinterpret_cast<void *>(in_hand_made),
                    nullptr,
                    nullptr,
                    reinterpret_cast<void *>(storm_entry)}; // r15, r14, r13, r12, rbx, rbp, return
    std::memcpy(top, made, sizeof made);
    sp_inside = top;
    for (int i = 0; i < 3; i++) {
        storm_switch(&sp_outside, sp_inside);
        spin(i);
    }
    switches += 3;
    munmap(stack, coroutine_bytes);
}

// ---- forks, handlers, jumps, libc ----

void forking(int)
{
    if ((*draw)(20) == 0) {
        forks++;
        failed += !storm_fork();
    }
}

void on_alternate(int)
{
    deeper(4, [] { spin(7); });
}

void alternate(int)
{
    void *memory = new_stack();
    stack_t stack = {}, before;
    stack.ss_sp = memory;
    stack.ss_size = coroutine_bytes;
    sigaltstack(&stack, &before);
    raise(SIGUSR1);
    sigaltstack(&before, nullptr);
    munmap(memory, coroutine_bytes);
}

thread_local jmp_buf back;

NOINLINE void jumper(int depth)
{
    auto *room = static_cast<volatile char *>(alloca(64 + 16 * static_cast<size_t>(depth)));
    room[0] = static_cast<char>(depth);
    if (depth < 0) {
        return; // never, but the compiler would like to see one
    }
    if (depth == 0) {
        longjmp(back, 1);
    }
    jumper(depth - 1);
    sink = room[0];
}

void jump(int)
{
    if (setjmp(back) == 0) {
        jumper(static_cast<int>((*draw)(10)));
    }
    jumps++;
}

int compare_ints(const void *a, const void *b)
{
    int x = *static_cast<const int *>(a), y = *static_cast<const int *>(b);
    return (x > y) - (x < y);
}

void churn(int)
{
    int v[100];
    char text[200];
    for (int &x : v) {
        x = static_cast<int>((*draw)(1000));
    }
    qsort(v, 100, sizeof v[0], compare_ints);
    sink = snprintf(text, sizeof text, "%g %d %s", v[3] / 7.0, v[50], "storm");
    void *p = malloc(8 + 64 * (*draw)(80));
    p = realloc(p, 8 + 1024 * (*draw)(90));
    free(p);
}

void *small_thread(void *)
{
    storm_thread_begin(false);
    deeper(6, [] { spin(8); });
    storm_thread_end();
    return nullptr;
}

void small(int)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, static_cast<size_t>(PTHREAD_STACK_MIN));
    if ((*draw)(4) == 0 && pthread_create(&thread, &attr, small_thread, nullptr) == 0) {
        pthread_join(thread, nullptr);
        threads++;
    }
    pthread_attr_destroy(&attr);
}

void *thread_main(void *arg)
{
    int number = static_cast<int>(reinterpret_cast<long>(arg));
    static void (*const kinds[])(int) = {plugin,    exceptions, by_ucontext, by_hand, forking,
                                         alternate, jump,       churn,       small};
    Random random{seed * 0x9e3779b97f4a7c15UL + static_cast<unsigned long>(number) + 1};
    draw = &random;
    storm_thread_begin(true);
    while (!over) {
        kinds[random(sizeof kinds / sizeof kinds[0])](number);
        storm_progress(number);
    }
    storm_thread_end();
    return nullptr;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: storm walk|bare SECONDS SEED PLUGIN...\n");
        return 2;
    }
    seed = std::strtoul(argv[3], nullptr, 0);
    plugins.assign(argv + 4, argv + argc);
    if (storm_start(std::string(argv[1]) == "walk") != 0) {
        fprintf(stderr, "no libunwind\n");
        return 2;
    }
    struct sigaction sa = {};
    sa.sa_handler = on_alternate;
    sa.sa_flags = SA_ONSTACK | SA_RESTART;
    sigaction(SIGUSR1, &sa, nullptr);
    pthread_t made[STORM_THREADS];
    for (long i = 0; i < STORM_THREADS; i++) {
        pthread_create(&made[i], nullptr, thread_main, reinterpret_cast<void *>(i));
    }
    timespec nap = {std::atoi(argv[2]), 0};
    while (nanosleep(&nap, &nap) != 0) {
    }
    over = true;
    for (pthread_t t : made) {
        pthread_join(t, nullptr);
    }
    printf("{");
    bool good = storm_report() == 0 && failed == 0;
    printf(
        ", \"unloads\": %ld, \"throws\": %ld, \"switches\": %ld, \"forks\": %ld, \"threads\": %ld, "
        "\"jumps\": %ld, \"failed\": %ld}\n",
        unloads.load(), throws.load(), switches.load(), forks.load(), threads.load(), jumps.load(),
        failed.load());
    return good ? 0 : 1;
}
