/* SPDX-License-Identifier: MIT
 *
 * A program that has system calls handed to itself (Syscall User Dispatch) was handed the
 * library's, too: those of the samples of its CPU time, and the returns from their handlers. It
 * must see its own alone, whether every system call is dispatched, or all but libc's.
 *
 * user_dispatch WAY: all, syscall, libc, always, exit, child
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OPEN, BLOCK, MINE = 0xbeef, ROUNDS = 30, SET_DISPATCH = 59 };

static volatile char selector;
static volatile int mine, others;
static int opens; /* the handler opens the selector, since the return from it is dispatched, too */

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    if (opens) {
        selector = OPEN;
    }
    if (info->si_syscall == MINE) {
        mine++;
    } else {
        char text[] = "foreign 000\n";
        for (int i = 0, n = info->si_syscall; i < 3; i++, n /= 10) {
            text[10 - i] = (char)('0' + n % 10);
        }
        others++;
        if (write(1, text, sizeof text - 1) < 0) {
            others++;
        }
    }
}

static void burn(int ms)
{
    for (volatile long i = 0; i < ms * 400000L; i++) {
    }
}

static __attribute__((noinline)) void site_after(void)
{
    struct timespec t;
    double until = 0;
    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        double now = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
        until = until == 0 ? now + 0.3 : until;
        if (now > until) {
            return;
        }
    } while (1);
}

static void call(void)
{
    long nr = MINE;
    __asm__ volatile("syscall" : "+a"(nr) : : "rcx", "r11", "memory");
}

/* The code of the object that defines getpid(). */
static int find_libc(struct dl_phdr_info *info, size_t size, void *range)
{
    uintptr_t at = (uintptr_t)dlsym(RTLD_DEFAULT, "getpid");
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t lo = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && at - lo < p->p_memsz) {
            ((uintptr_t *)range)[0] = lo;
            ((uintptr_t *)range)[1] = p->p_memsz;
        }
    }
    return 0;
}

static void *thread(void *arg)
{
    burn(3);
    free(malloc(1000));
    return arg;
}

static void use_libc(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t t;
        void *p[100];
        for (int k = 0; k < 100; k++) {
            p[k] = malloc((size_t)k * 997);
        }
        for (int k = 0; k < 100; k++) {
            free(p[k]);
        }
        pthread_create(&t, NULL, thread, NULL);
        burn(3);
        pthread_join(t, NULL);
        call();
    }
}

static int turn(int how, const uintptr_t *range, volatile char *at, int raw)
{
    long r = raw ? syscall(SYS_prctl, SET_DISPATCH, how, range[0], range[1], at)
                 : prctl(SET_DISPATCH, how, range[0], range[1], at);
    if (r) {
        puts("this kernel does not dispatch");
        exit(0);
    }
    return how;
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "all";
    struct sigaction act = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    uintptr_t range[2] = {0, 0};
    setvbuf(stdout, NULL, _IONBF, 0);
    sigaction(SIGSYS, &act, NULL);
    if (strcmp(way, "all") == 0 || strcmp(way, "syscall") == 0) {
        int raw = way[0] == 's';
        opens = 1;
        turn(1, range, &selector, raw);
        for (int i = 0; i < ROUNDS; i++) {
            selector = BLOCK;
            burn(5);
            call();
            selector = OPEN;
        }
        turn(0, (uintptr_t[2]){0, 0}, NULL, raw);
    } else {
        dl_iterate_phdr(find_libc, range);
        turn(1, range, strcmp(way, "always") == 0 ? NULL : &selector, 0);
        selector = BLOCK;
        use_libc();
        if (strcmp(way, "child") == 0) { /* in which nothing is dispatched */
            int status = 0;
            pid_t child = fork();
            if (child == 0) {
                site_after();
                exit(5);
            }
            waitpid(child, &status, 0);
            printf("child %d\n", WEXITSTATUS(status));
        }
        if (strcmp(way, "exit") == 0) {
            printf("%d of its own, %d others\n", mine, others);
            exit(0);
        }
        turn(0, (uintptr_t[2]){0, 0}, NULL, 0);
    }
    site_after();
    printf("%d of its own, %d others\n", mine, others);
    return 0;
}
