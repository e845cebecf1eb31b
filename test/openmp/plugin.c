/* SPDX-License-Identifier: MIT
 *
 * A library that brings OpenMP into a program that had none: two regions, in each of which two
 * threads wait 50 ms for the third at a barrier.
 */
#include <omp.h>
#include <time.h>

int plugin_waits(void);
int plugin_waits(void)
{
    int sum = 0;
    for (int i = 0; i < 2; i++) {
#pragma omp parallel num_threads(3) reduction(+ : sum)
        {
            if (omp_get_thread_num() == 0) {
                nanosleep(&(struct timespec){0, 50000000}, NULL);
            }
#pragma omp barrier
            sum += 1;
        }
    }
    return sum;
}
