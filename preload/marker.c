/* SPDX-License-Identifier: MIT
 *
 * See marker.h. The value has a fixed length, so that it can be changed where it stands: the
 * program may have an environment of its own making, of which the library knows no more than libc.
 * An environment that the program hands over may be a bad pointer, which is the kernel's to refuse;
 * so it is read by sys_read_memory(), and only if there is something to say.
 */
#include "preload/marker.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"

#include <string.h>
#include <unistd.h>

enum { NAME_BYTES = sizeof MARKER_NAME }; /* with the "=" */

static struct marker state; /* raw is not kept up */

static int64_t read_field(const char **p)
{
    int64_t v = 0;
    *p += **p == ',';
    text_read_int(p, &v);
    return v;
}

struct marker marker_read(const char *value)
{
    value = value ? value : "";
    state.filters = read_field(&value);
    state.subreaper = read_field(&value) != 0;
    state.raw = (int)read_field(&value);
    state.user = *value ? (uint32_t)read_field(&value) : (uint32_t)sys_call0(SYS_geteuid);
    state.first = (int)read_field(&value);
    return state;
}

void marker_begin(int first, int64_t filters)
{
    state.first = first;
    state.filters = filters;
}

bool marker_has_subreaper(void)
{
    return LOAD(&state.subreaper);
}

void marker_write(char line[MARKER_BYTES], int raw)
{
    struct text t = text_in(line, MARKER_BYTES);
    text_add(&t, MARKER_NAME "=");
    text_add_int(&t, state.filters, 3);
    text_add(&t, LOAD(&state.subreaper) ? ",1," : ",0,");
    text_add_int(&t, raw, 7);
    text_add(&t, ",");
    text_add_int(&t, state.user, 10);
    text_add(&t, ",");
    text_add_int(&t, state.first, 7);
}

/* Is this, of which MARKER_BYTES can be read, a marker? */
static bool is_marker(const char *line)
{
    return memcmp(line, MARKER_NAME "=", NAME_BYTES) == 0;
}

void marker_is_subreaper(void)
{
    char line[MARKER_BYTES];
    STORE(&state.subreaper, true);
    marker_write(line, 0);
    for (char **e = environ; e && *e; e++) {
        if (strlen(*e) == MARKER_BYTES - 1 && is_marker(*e)) {
            memcpy(*e, line, MARKER_BYTES);
        }
    }
}

/* Entry i of an environment, and whether it is the marker, read without trust. False: it cannot be
 * read. */
static bool read_entry(char *const env[], size_t i, char **entry, char line[MARKER_BYTES])
{
    if (sys_read_memory(entry, (uintptr_t)&env[i], sizeof *entry) != 0) {
        return false;
    }
    if (!*entry || sys_read_memory(line, (uintptr_t)*entry, MARKER_BYTES) != 0) {
        line[0] = '\0'; /* shorter than a marker, at the end of the readable memory */
    }
    return true;
}

size_t marker_stale(char *const env[], int raw)
{
    char right[MARKER_BYTES];
    char line[MARKER_BYTES];
    char *entry;
    bool stale = false;
    if (!env || !(raw || LOAD(&state.subreaper))) {
        return 0;
    }
    marker_write(right, raw);
    for (size_t n = 0; read_entry(env, n, &entry, line); n++) {
        if (!entry) {
            return stale ? n : 0;
        }
        stale |= is_marker(line) && memcmp(line, right, MARKER_BYTES) != 0;
    }
    return 0;
}

char *const *marker_renewed(char *const env[], size_t n, int raw, char **copy,
                            char line[MARKER_BYTES])
{
    marker_write(line, raw);
    for (size_t i = 0; i < n; i++) {
        char there[MARKER_BYTES];
        bool marker = read_entry(env, i, &copy[i], there) && is_marker(there);
        copy[i] = marker ? line : copy[i];
    }
    copy[n] = NULL;
    return copy;
}
