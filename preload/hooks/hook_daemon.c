/* SPDX-License-Identifier: MIT
 *
 * daemon(): libc forks inside it, and ends the parent by an _exit() that no hook sees. So the
 * parent's last dump is made in the fork handler, which libc calls in the parent just before, also
 * if the fork has failed: then daemon() returns in the parent, which goes on, as after an exec that
 * failed. All that the program can see of daemon() is libc's own.
 *
 * Any thread of the program.
 */
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "preload/hooks/dispatch.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include <errno.h>
#include <unistd.h>

void hook_daemon_parent(void)
{
    if (self.in_daemon) {
        uint8_t selector = dispatch_open();
        control_before_daemon();
        dispatch_close(selector);
    }
}

void hook_daemon_child(void)
{
    self.in_daemon = false;
}

EXPORT int daemon(int nochdir, int noclose)
{
    if (!control_is_profiled() || !control_is_here()) {
        return real_other.daemon(nochdir, noclose);
    }
    self.in_daemon = true;
    int result = real_other.daemon(nochdir, noclose);
    if (self.in_daemon) { /* the parent: there is no child */
        int saved = errno;
        self.in_daemon = false;
        uint8_t selector = dispatch_open();
        control_exec_failed();
        dispatch_close(selector);
        errno = saved;
    }
    return result;
}
