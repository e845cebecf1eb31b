// SPDX-License-Identifier: MIT
// A profile that the program asks for by the C API is written by a process with a descriptor table
// of its own. The program's limit of descriptors applied to that process as well: with a limit of
// 0 nothing could be written. Right: it has a limit of its own.
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
