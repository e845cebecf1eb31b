// SPDX-License-Identifier: MIT
//
// What is single-stepped by step.c: calls into libc and libstdc++, exceptions, longjmp, lazy
// binding, frames of every shape, assembly by hand. Each case runs in the main thread and in
// another, again and again until enough instructions were looked at.
//
//     stepped STEPS [MOST]     MOST: steps of one case in a round, which spreads a small number
#include "test/unwind/step.h"

#include <algorithm>
#include <alloca.h>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iomanip>
#include <map>
#include <pthread.h>
#include <regex.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

#define NOINLINE __attribute__((noinline, noclone))

static volatile long sink;
static unsigned state = 1;

static unsigned draw()
{
    return state = state * 1103515245 + 12345;
}

// ---- libc ----

static int compare_ints(const void *a, const void *b)
{
    int x = *static_cast<const int *>(a);
    int y = *static_cast<const int *>(b);
    return (x > y) - (x < y);
}

static void sorting(void *)
{
    int v[200];
    for (int &x : v) {
        x = static_cast<int>(draw() >> 8);
    }
    qsort(v, 200, sizeof v[0], compare_ints);
    sink = bsearch(&v[20], v, 200, sizeof v[0], compare_ints) != nullptr;
}

static void printing(void *)
{
    char text[300];
    sink = snprintf(text, sizeof text, "%d %-12s|%8.3f %g %a %lc %p %05x", draw(), "text",
                    draw() * 1e-3, draw() * 0.25, 1.5, L'x', text, draw());
}

static void numbers(void *)
{
    static const char *const texts[] = {"0.5", "-12.25", "1e-3", "6.02e23",
                                        "3.14159265358979323846"};
    double sum = 0;
    for (const char *text : texts) {
        sum += strtod(text, nullptr);
    }
    sum += static_cast<double>(strtol("-123456", nullptr, 0)) + atof("0x1.8p3");
    sink = static_cast<long>(sum);
}

static void expressions(void *)
{
    regex_t r;
    if (regcomp(&r, "^([a-z]+|[0-9]{2,4})*-(foo|bar)+\\.(c|h)$", REG_EXTENDED) == 0) {
        regmatch_t m[4];
        sink = regexec(&r, "abc123def4567-foobarfoo.c", 4, m, 0);
        sink = regexec(&r, "abc123def4567-foobarfo.c", 4, m, 0);
        regfree(&r);
    }
}

static void memory(void *)
{
    void *p[40];
    for (void *&q : p) {
        size_t n = draw() >> 20;
        q = malloc(n);
        memset(q, 1, n);
    }
    for (void *&q : p) {
        q = realloc(q, draw() >> 18);
        free(q);
    }
    sink = getppid() + static_cast<long>(time(nullptr));
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts); // the vDSO
}

static jmp_buf environment;

static NOINLINE void jump_from(int depth)
{
    if (depth > 0) {
        jump_from(depth - 1);
    }
    if (sink != -1) {
        longjmp(environment, 1);
    }
}

static void jumping(void *)
{
    for (volatile int i = 0; i < 5; i = i + 1) {
        if (setjmp(environment) == 0) {
            jump_from(i);
        }
    }
}

// ---- libstdc++ ----

struct noisy {
    ~noisy()
    {
        sink = sink + 1;
    }
};

static NOINLINE void throw_from(int depth)
{
    noisy n;
    if (depth == 0) {
        throw std::runtime_error("thrown from " + std::to_string(depth));
    }
    throw_from(depth - 1);
    sink = depth;
}

static NOINLINE void rethrow(int depth)
{
    try {
        throw_from(depth);
    } catch (const std::logic_error &) {
        sink = 1;
    } catch (...) {
        throw;
    }
}

static void throwing(void *)
{
    for (int i = 2; i < 4; i++) {
        try {
            rethrow(i);
        } catch (const std::exception &e) {
            sink = static_cast<long>(strlen(e.what()));
        }
    }
    try {
        sink = std::stoi("no number");
    } catch (const std::invalid_argument &) {
    }
}

static void containers(void *)
{
    std::vector<std::string> v;
    std::map<std::string, int> m;
    for (int i = 0; i < 30; i++) {
        v.push_back("element number " + std::to_string(draw() >> 16));
        m[v.back()] += i;
    }
    std::sort(v.begin(), v.end());
    std::stable_sort(v.begin(), v.end(), [](auto &a, auto &b) { return a.size() < b.size(); });
    sink = static_cast<long>(m.size() + v.front().find("ber"));
}

static void streams(void *)
{
    std::ostringstream out;
    out << std::setw(12) << draw() << std::hex << draw() << ' ' << std::setprecision(9)
        << draw() * 0.37 << " text " << std::boolalpha << true << '\n';
    std::istringstream in(out.str());
    unsigned x = 0;
    std::string word;
    in >> x >> word;
    sink = static_cast<long>(x + word.size());
}

// ---- frames ----

static NOINLINE int leaf(int x)
{
    sink = x;
    return x + 1;
}

static NOINLINE void on_demand(int n)
{
    volatile char *p = static_cast<volatile char *>(alloca(static_cast<size_t>(n) * 40 + 8));
    p[0] = static_cast<char>(leaf(n));
    p[1] = p[0];
}

static NOINLINE void realigned(int n)
{
    alignas(64) volatile char v[128];
    v[n] = static_cast<char>(leaf(n));
    if (n > 0) {
        realigned(n - 1);
    }
    v[n] = v[0];
}

static NOINLINE void realigned_on_demand(int n)
{
    alignas(32) volatile char v[64];
    volatile char *p = static_cast<volatile char *>(alloca(static_cast<size_t>(n) * 24 + 1));
    v[n] = p[0] = static_cast<char>(leaf(n));
    realigned(n);
    p[0] = v[n];
}

static NOINLINE __attribute__((optimize("no-omit-frame-pointer"))) void with_pointer(int n)
{
    if (n > 0) {
        with_pointer(n - 1);
    }
    on_demand(n);
}

static void frames(void *)
{
    for (int i = 0; i < 8; i++) {
        on_demand(i);
        realigned(i);
        realigned_on_demand(i);
        with_pointer(i);
    }
}

// ---- assembly: step_frames.S ----

extern "C" {
void asm_pushes(int (*f)(int));
void asm_frame(int (*f)(int));
void asm_by_rbx(int (*f)(int));
void asm_by_expression(int (*f)(int));
void asm_tail(int (*f)(int));
void asm_without_return();
}

static int deeper(int n)
{
    realigned(n);
    return leaf(n);
}

static void assembly(void *)
{
    asm_pushes(deeper);
    asm_frame(deeper);
    asm_by_rbx(deeper);
    asm_by_expression(deeper);
    asm_tail(deeper);
    asm_without_return();
    asm_by_expression([](int n) {
        asm_by_rbx(deeper);
        return n;
    });
}

// ---- all of it ----

// An exception costs as many instructions as sorting some thousand words: the mix is one of a
// program that throws now and then.
static const struct {
    const char *name;
    void (*fn)(void *);
    int times; // a round
} cases[] = {
    {"sorting", sorting, 4},         {"printing", printing, 4},     {"numbers", numbers, 2},
    {"expressions", expressions, 1}, {"memory", memory, 2},         {"jumping", jumping, 1},
    {"throwing", throwing, 1},       {"containers", containers, 4}, {"streams", streams, 4},
    {"frames", frames, 4},           {"assembly", assembly, 4}};

static long most;

static void *round_of_cases(void *)
{
    for (const auto &c : cases) {
        for (int i = 0; i < c.times; i++) {
            step_run(c.name, c.fn, nullptr, most / c.times);
        }
    }
    return nullptr;
}

int main(int argc, char **argv)
{
    long wanted = argc > 1 ? atol(argv[1]) : 100000;
    most = argc > 2 ? atol(argv[2]) : 1L << 60;
    int err = step_start();
    if (err) {
        fprintf(stderr, "stepped: %s\n", strerror(-err));
        return 2;
    }
    while (step_steps() < wanted) {
        round_of_cases(nullptr);
        pthread_t t;
        if (step_steps() < wanted && pthread_create(&t, nullptr, round_of_cases, nullptr) == 0) {
            pthread_join(t, nullptr);
        }
    }
    step_report();
    return 0;
}
