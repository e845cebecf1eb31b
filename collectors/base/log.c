/* SPDX-License-Identifier: MIT
 *
 * See log.h: one write per line, so that lines of several processes do not mix.
 */
#include "collectors/base/log.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"

static bool open_now;

void log_open(void)
{
    STORE(&open_now, true);
}

void log_close(void)
{
    STORE(&open_now, false);
}

void log_line(const char *message)
{
    char line[640];
    struct text t = text_in(line, sizeof line);
    if (!LOAD(&open_now)) {
        return;
    }
    text_add(&t, "pprofinject: ");
    text_add(&t, message);
    text_add(&t, "\n");
    sys_write_all(2, line, t.len);
}
