// SPDX-License-Identifier: MIT
// A signal handler left the wait for a profile by a longjmp. The processes that make the profile
// then wrote their result to where the frame of the waiting function had been. Right: that memory
// is not written to.
#include "preload/pprofinject.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { ROUNDS = 12, STEP_US = 2500 };

static sigjmp_buf out;

static void on_alarm(int sig)
{
    (void)sig;
    siglongjmp(out, 1);
}

static void alarm_after(int us)
{
    struct itimerval when = {{0, 0}, {0, us}};
    setitimer(ITIMER_REAL, &when, NULL);
}

static __attribute__((noinline)) long overwritten(void)
{
    volatile unsigned char mine[32768];
    long n = 0;
    memset((unsigned char *)mine, 0xaa, sizeof mine);
    usleep(150000);
    for (size_t i = 0; i < sizeof mine; i++) {
        n += mine[i] != 0xaa;
    }
    return n;
}

int main(void)
{
    int null = open("/dev/null", O_WRONLY);
    volatile long n = 0;
    signal(SIGALRM, on_alarm);
    for (volatile int i = 0; i < ROUNDS; i++) {
        if (sigsetjmp(out, 1) == 0) {
            alarm_after((i + 1) * STEP_US);
            (void)pprof_write_heap_profile(null);
            alarm_after(0);
        } else {
            n += overwritten();
        }
    }
    printf("%ld bytes overwritten\n", n);
    return 0;
}
