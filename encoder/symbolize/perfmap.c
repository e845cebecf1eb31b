/* SPDX-License-Identifier: MIT
 *
 * Reads perf's map files; see perfmap.h.
 *
 * A line is "START SIZE name", the numbers in hexadecimal, for one function. A compiler that uses
 * memory again appends another line, so later lines win. Every user may create files in /tmp, so
 * the file must have the same owner as the process.
 */
#include "encoder/symbolize/perfmap.h"

#include "encoder/symbolize/locate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PERFMAP_LINE = 4096 };

static int query_by_address(const void *a, const void *b)
{
    const struct query *x = a, *y = b;
    return (x->address > y->address) - (x->address < y->address);
}

static FILE *perfmap_open(pid_t pid, pid_t map)
{
    struct stat process, st;
    char name[96];
    snprintf(name, sizeof name, "/proc/%d", (int)pid);
    uid_t owner = stat(name, &process) == 0 ? process.st_uid : geteuid();
    for (int i = 0; i < 2; i++) {
        if (i == 0) {
            snprintf(name, sizeof name, "/proc/%d/root/tmp/perf-%d.map", (int)pid, (int)map);
        } else {
            snprintf(name, sizeof name, "/tmp/perf-%d.map", (int)map);
        }
        int fd = locate_regular(name);
        if (fd < 0) {
            continue;
        }
        FILE *in = fstat(fd, &st) == 0 && st.st_uid == owner ? fdopen(fd, "r") : NULL;
        if (in) {
            return in;
        }
        close(fd);
    }
    return NULL;
}

static size_t perfmap_at(const struct query *queries, size_t n, uint64_t address)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (queries[mid].address < address) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static int perfmap_line(char *line, const struct query *queries, size_t n, struct answer_sink *sink)
{
    char *rest, *name;
    uint64_t start = strtoull(line, &rest, 16), size = strtoull(rest, &name, 16);
    if (name == rest || *name != ' ') {
        return 0;
    }
    name += strspn(name, " ");
    name[strcspn(name, "\n")] = '\0';
    if (!*name) {
        return 0;
    }
    struct frame frame = {.name = name, .system_name = name, .file = ""};
    for (size_t i = perfmap_at(queries, n, start); i < n && queries[i].address - start < size;
         i++) {
        int error = sink->put(sink, i, ANSWER_SYMBOL, &frame, 1);
        if (error) {
            return error;
        }
    }
    return 0;
}

int perfmap_resolve(pid_t pid, pid_t map, struct query *queries, size_t n, struct answer_sink *sink)
{
    char line[PERFMAP_LINE];
    FILE *in;
    int error = 0;
    if (map <= 0 || n == 0 || !(in = perfmap_open(pid, map))) {
        return 0;
    }
    qsort(queries, n, sizeof *queries, query_by_address);
    while (error == 0 && fgets(line, sizeof line, in)) {
        error = perfmap_line(line, queries, n, sink);
    }
    fclose(in);
    return error;
}
