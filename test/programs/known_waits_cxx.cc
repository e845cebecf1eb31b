/* SPDX-License-Identifier: MIT  flags: -std=gnu++20 */
/*
 * Waits of known length in the standard library of C++: each in a function called wait_<case>,
 * ended by another thread. Prints what each waited by its own clock. Run by e2e/block_languages.py.
 */
#include "truth.h"
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static std::mutex mutex, of_cond;
static std::timed_mutex timed;
static std::shared_mutex shared, exclusive;
static std::condition_variable cond;
static bool done;
static std::counting_semaphore<8> semaphore(0);
static std::latch latch(1);
static std::atomic<int> word, running;
static std::once_flag once;
static std::promise<int> promise;

SITE void wait_mutex(void)
{
    mutex.lock();
}
SITE void wait_timed_mutex(void)
{
    must(timed.try_lock_for(100s), "try_lock_for");
}
SITE void wait_shared(void)
{
    shared.lock_shared();
}
SITE void wait_exclusive(void)
{
    exclusive.lock();
}
SITE void wait_condition(void)
{
    std::unique_lock<std::mutex> lock(of_cond);
    cond.wait(lock, [] { return done; });
}
SITE void wait_semaphore(void)
{
    semaphore.acquire();
    keep(&semaphore);
}
SITE void wait_latch(void)
{
    latch.wait();
    keep(&latch);
}
SITE void wait_atomic(void)
{
    word.wait(0);
    keep(&word);
}
SITE void wait_once(void)
{
    std::call_once(once, [] { must(0, "already run"); });
    keep(&once);
}
SITE void wait_future(void)
{
    must(promise.get_future().get() == 7, "future");
}
SITE void wait_thread(void)
{
    std::thread([] { std::this_thread::sleep_for(300ms); }).join();
}

struct test {
    const char *name;
    void (*wait)(void);
    std::function<void()> hold, release;
};

int main()
{
    std::vector<test> tests = {
        {"mutex", wait_mutex, [] { mutex.lock(); }, [] { mutex.unlock(); }},
        {"timed_mutex", wait_timed_mutex, [] { timed.lock(); }, [] { timed.unlock(); }},
        {"shared", wait_shared, [] { shared.lock(); }, [] { shared.unlock(); }},
        {"exclusive", wait_exclusive, [] { exclusive.lock_shared(); },
         [] { exclusive.unlock_shared(); }},
        {"condition", wait_condition, [] {},
         [] {
             std::lock_guard<std::mutex> guard(of_cond);
             done = true;
             cond.notify_all();
         }},
        {"semaphore", wait_semaphore, [] {}, [] { semaphore.release(); }},
        {"latch", wait_latch, [] {}, [] { latch.count_down(); }},
        {"atomic", wait_atomic, [] {},
         [] {
             word = 1;
             word.notify_all();
         }},
        {"once", wait_once,
         [] {
             std::thread([] {
                 std::call_once(once, [] {
                     running = 1;
                     while (running == 1)
                         std::this_thread::sleep_for(200us);
                 });
             }).detach();
             while (running == 0)
                 std::this_thread::sleep_for(200us);
         },
         [] { running = 2; }},
        {"future", wait_future, [] {}, [] { promise.set_value(7); }},
        {"thread", wait_thread, [] {}, [] {}},
    };
    std::vector<int64_t> waited(tests.size());
    std::vector<std::thread> threads;
    std::vector<int> disturbed(tests.size());
    for (size_t i = 0; i < tests.size(); i++) {
        threads.emplace_back([&, i] {
            std::atomic<bool> held = false;
            std::thread holder([&, i] {
                tests[i].hold();
                held = true;
                std::this_thread::sleep_for(200ms + 30ms * i);
                tests[i].release();
            });
            while (!held)
                std::this_thread::sleep_for(200us);
            long before = times_preempted();
            int64_t began = clock_ns(CLOCK_MONOTONIC);
            tests[i].wait();
            waited[i] = clock_ns(CLOCK_MONOTONIC) - began;
            disturbed[i] = times_preempted() != before;
            holder.join();
        });
    }
    for (auto &t : threads)
        t.join();
    for (size_t i = 0; i < tests.size(); i++)
        printf("%s\"%s\": {\"waited\": %ld, \"disturbed\": %d}", i ? ", " : "{", tests[i].name,
               (long)waited[i], disturbed[i]);
    printf("}\n");
    return 0;
}
