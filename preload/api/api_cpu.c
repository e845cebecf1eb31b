/* SPDX-License-Identifier: MIT
 *
 * StartCPUProfile and StopCPUProfile: one session at a time, whose profile is written into the
 * program's descriptor. The cpu profile of the dumps goes on all the while and does not notice. Any
 * thread of the program. `state` is taken by compare-and-swap; the
 * session's variables belong to the thread that has set CHANGING.
 */
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu_rate.h"
#include "collectors/cpu/cpu_table.h"
#include "collectors/kinds.h"
#include "collectors/tables/recorded.h"
#include "preload/api/api.h"
#include "preload/output/write_call.h"

#include <errno.h>

enum { IDLE, CHANGING, RUNNING };
static uint32_t state;
static int session_fd;
static int64_t session_began; /* CLOCK_REALTIME; Go's profiles tell when they began */
static int64_t session_clock; /* CLOCK_MONOTONIC */

int api_start_cpu_profile(int fd)
{
    uint32_t seen = IDLE;
    if (fd < 0) {
        return -EINVAL;
    }
    long flags = sys_call2(SYS_fcntl, fd, F_GETFL);
    if (flags < 0) {
        return (int)flags;
    }
    if (!CAS(&state, &seen, CHANGING)) {
        return -EBUSY;
    }
    recorded_settle();
    session_fd = fd;
    session_began = sys_clock_ns(CLOCK_REALTIME);
    session_clock = sys_clock_ns(CLOCK_MONOTONIC);
    (void)!cpu_session_begin();
    STORE_RELEASE(&state, RUNNING);
    return 0;
}

int api_stop_cpu_profile(void)
{
    uint32_t seen = RUNNING;
    if (!CAS(&state, &seen, CHANGING)) {
        return 0;
    }
    struct snapshot_sample *samples;
    size_t bytes;
    const struct kind *cpu = kinds_find("cpu", 3);
    struct snapshot snap = {
        .shape = &cpu->shape, .period = cpu_session_period(), .time_nanos = session_began};
    recorded_settle();
    snap.samples = cpu_table_session(&samples, &bytes);
    snap.sample = samples;
    snap.duration_nanos = sys_clock_ns(CLOCK_MONOTONIC) - session_clock;
    cpu_session_end();
    struct write_call call = {.kind = cpu, .form = FORM_PROTOBUF, .taken = &snap, .fd = session_fd};
    int err = write_call_run(&call);
    sys_unmap(samples, bytes);
    STORE_RELEASE(&state, IDLE);
    return err;
}

void api_cpu_fork_child(void)
{
    state = IDLE;
}
