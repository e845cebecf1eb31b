/* SPDX-License-Identifier: MIT
 * pprof_do() left by a C++ exception, in C++ (a guard restores) and through C (do_call's unwind
 * information does); run by e2e/labels.py. CPU time after the catch carries no label.
 */
#include "../../preload/pprofinject.h"
#include "truth.h"
#include <stdexcept>

static int64_t caught_spent;

SITE void burn_caught()
{
    int64_t began = thread_cpu_ns();
    while (thread_cpu_ns() - began < 100000000)
        spin_a_little();
    caught_spent += thread_cpu_ns() - began;
}

static void throws(pprof_ctx *ctx, void *)
{
    must(strcmp(pprof_label(ctx, "left"), "yes") == 0, "the label");
    throw std::runtime_error("out");
}

static void throws_nested(pprof_ctx *ctx, void *)
{
    pprof_do(ctx, pprof_labels("inner", "yes", NULL), throws, NULL);
}

int main()
{
    must(pprof_active(), "active");
    int caught = 0;
    try {
        pprof_do(NULL, pprof_labels("left", "yes", NULL), throws_nested, NULL);
    } catch (const std::runtime_error &) {
        caught++;
        burn_caught();
    }
    /* As a C caller does it. */
    const struct pprofinject_api *api = pprofinject_api_find();
    try {
        api->do_call(NULL, pprof_labels("left", "yes", NULL), throws_nested, NULL);
    } catch (const std::runtime_error &) {
        caught++;
        burn_caught();
    }
    must(caught == 2, "caught");
    printf("{\"caught\": %lld}\n", (long long)caught_spent);
    return 0;
}
