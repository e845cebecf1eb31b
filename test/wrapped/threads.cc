/* SPDX-License-Identifier: MIT
 *
 * An ordinary program of threads, containers, exceptions and aligned memory, with a status of its
 * own. e2e/wrappers.py builds it with each sanitizer, and statically, and runs it under tools.
 */
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

static std::mutex mutex;
static long sum;

static void work(int number)
{
    for (int i = 0; i < 2000; i++) {
        std::vector<int> v(i % 100 + 1, number);
        std::lock_guard<std::mutex> guard(mutex);
        sum += v[0];
        try {
            if (i % 1000 == 0)
                throw std::runtime_error("thrown");
        } catch (const std::exception &) {
            sum++;
        }
    }
}

int main()
{
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back(work, i);
    for (auto &t : threads)
        t.join();
    free(aligned_alloc(64, 640));
    signal(SIGUSR2, SIG_IGN);
    raise(SIGUSR2);
    printf("%ld\n", sum);
    fprintf(stderr, "said\n");
    return 3;
}
