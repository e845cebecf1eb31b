// SPDX-License-Identifier: MIT
// A profile that the program asks for is written by a process with a table of descriptors of its
// own; the program's limit went for it too, so with a limit of 0 nothing could be written.
#include "preload/pprofinject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>

int main(void)
{
    int null = open("/dev/null", O_WRONLY);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &limit);
    int err = pprof_write_heap_profile(null);
    printf("%s\n", err == 0 || err == -ENOSYS ? "written, or no library" : "an error");
    return 0;
}
