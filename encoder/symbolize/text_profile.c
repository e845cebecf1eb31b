/* SPDX-License-Identifier: MIT
 *
 * See text_profile.h.
 *
 * As in Go, the columns of a stack are aligned by tabs (text/tabwriter: the width of a cell is a
 * multiple of 8 that leaves one blank), for each stack by itself. A text of debug=2 that gets names
 * loses its memory map, since a crash report has none.
 */
#include "encoder/symbolize/text_profile.h"

#include "encoder/symbolize/grow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_PROFILE_MAX = 1 << 30 }; /* bytes of a text that is read whole */

static const char map_head[] = "--- Memory map: ---";

/* A line that leaves room for a name: nothing stands behind the address. */
struct address_line {
    const char *before; /* what stands before the address */
    uint64_t address;
    bool threads; /* of debug=2: the next line, the place in the file, goes with it */
};

bool text_profile_is(int fd)
{
    unsigned char head[2];
    return pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head && head[0] >= ' ' &&
           head[0] < 0x7f && head[1] >= ' ' && head[1] < 0x7f;
}

static char *text_read(int fd)
{
    struct {
        char *at;
        size_t cap, len;
    } text = {0};
    ssize_t got;
    do {
        if (text.len > TEXT_PROFILE_MAX ||
            grow_array(&text.at, &text.cap, text.len + 65536, sizeof *text.at)) {
            free(text.at);
            errno = text.len > TEXT_PROFILE_MAX ? EFBIG : ENOMEM;
            return NULL;
        }
        got = pread(fd, text.at + text.len, text.cap - text.len - 1, (off_t)text.len);
        text.len += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    text.at[text.len] = '\0';
    return text.at;
}

/* Cuts the next line out of *at; NULL at the end. */
static char *text_line(char **at)
{
    char *line = *at, *end;
    if (*line == '\0') {
        return NULL;
    }
    end = strchr(line, '\n');
    *at = end ? end + 1 : line + strlen(line);
    if (end) {
        *end = '\0';
    }
    return line;
}

static bool address_line_read(const char *line, struct address_line *entry)
{
    static const char *const heads[] = {"#\t", "", "created by "};
    char *end;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        size_t n = strlen(heads[i]);
        if (strncmp(line, heads[i], n) != 0 || strncmp(line + n, "0x", 2) != 0) {
            continue;
        }
        entry->before = heads[i];
        entry->threads = i > 0;
        entry->address = strtoull(line + n, &end, 16);
        return *end == '\0';
    }
    return false;
}

/* Reads "START-END r-xp FILE (@OFFSET) BUILDID". The file's name may itself hold " (@", so the last
 * one counts. 0, -ENOMEM or -EBADMSG. */
static int text_mapping(struct profile *profile, char *line)
{
    char *at, *file = strstr(line, " r-xp "), *offset = strstr(line, " (@"), *next;
    if (!file || !offset || offset < file) {
        return -EBADMSG;
    }
    while ((next = strstr(offset + 1, " (@"))) {
        offset = next;
    }
    *offset = '\0';
    if (grow_array(&profile->mappings, &profile->mappings_cap, profile->nmappings + 1,
                   sizeof *profile->mappings)) {
        return -ENOMEM;
    }
    struct mapping *mapping = &profile->mappings[profile->nmappings++];
    *mapping = (struct mapping){.id = profile->nmappings};
    mapping->start = strtoull(line, &at, 16);
    mapping->limit = strtoull(at + (*at == '-'), NULL, 16);
    mapping->offset = strtoull(offset + 3, &at, 16);
    mapping->file = file + strlen(" r-xp ");
    mapping->build_id = *at == ')' && at[1] == ' ' ? at + 2 : "";
    return 0;
}

static int text_location_order(const void *a, const void *b)
{
    const struct location *x = a, *y = b;
    return (x->address > y->address) - (x->address < y->address);
}

static void text_place(struct profile *profile)
{
    size_t kept = 0;
    if (profile->nlocations) {
        qsort(profile->locations, profile->nlocations, sizeof *profile->locations,
              text_location_order);
    }
    for (size_t i = 0; i < profile->nlocations; i++) {
        struct location location = profile->locations[i];
        if (kept && profile->locations[kept - 1].address == location.address) {
            continue;
        }
        for (size_t m = 0; m < profile->nmappings; m++) {
            if (location.address >= profile->mappings[m].start &&
                location.address < profile->mappings[m].limit) {
                location.mapping = (uint32_t)m + 1;
            }
        }
        profile->locations[kept++] = location;
    }
    profile->nlocations = kept;
}

int text_profile_load(struct profile *profile, int fd)
{
    char *at, *line;
    bool in_map = false;
    struct address_line entry;
    memset(profile, 0, sizeof *profile);
    profile->bytes = text_read(fd);
    if (!profile->bytes) {
        return -errno;
    }
    at = profile->bytes;
    while ((line = text_line(&at))) {
        if (in_map) {
            int error = *line ? text_mapping(profile, line) : 0;
            if (error) {
                return error;
            }
        } else if (strcmp(line, map_head) == 0) {
            in_map = true;
        } else if (address_line_read(line, &entry)) {
            if (grow_array(&profile->locations, &profile->locations_cap, profile->nlocations + 1,
                           sizeof *profile->locations)) {
                return -ENOMEM;
            }
            profile->locations[profile->nlocations++] = (struct location){.address = entry.address};
        }
    }
    if (!in_map) {
        return -EBADMSG;
    }
    text_place(profile);
    return 0;
}

/* ---- writing ---- */

struct text_frame {
    char name[4096]; /* with its offset; longer ones are cut */
    char place[4096 + 32];
};

/* The texts of line i of a location's answer. */
static void text_frame_of(struct text_frame *frame, const struct names *names,
                          const struct location *location, size_t i)
{
    const struct names_line *line = &names->lines[location->first + i];
    const struct names_function *function = &names->functions[line->function];
    size_t len;
    const char *file = names_text(names, function->file, &len);
    frame->place[0] = '\0';
    if (len) {
        snprintf(frame->place, sizeof frame->place, "%.*s:%" PRIu64, (int)len, file, line->line);
    }
    const char *name = names_text(names, function->name, &len);
    snprintf(frame->name, sizeof frame->name, "%.*s", (int)len, name);
}

static const struct location *text_find(const struct profile *profile, uint64_t address)
{
    struct location key = {.address = address};
    const struct location *found = profile->nlocations
                                       ? bsearch(&key, profile->locations, profile->nlocations,
                                                 sizeof *profile->locations, text_location_order)
                                       : NULL;
    return found && found->count ? found : NULL;
}

/* The widest "name+0x…" of the frames from here to the end of the stack, as a multiple of 8. */
static size_t text_width(const struct profile *profile, const struct names *names, const char *at)
{
    size_t width = 0;
    struct address_line entry;
    char copy[64];
    for (const char *end; *at == '#'; at = *end ? end + 1 : end) {
        end = strchrnul(at, '\n');
        if ((size_t)(end - at) >= sizeof copy) {
            continue;
        }
        memcpy(copy, at, (size_t)(end - at));
        copy[end - at] = '\0';
        const struct location *location =
            address_line_read(copy, &entry) ? text_find(profile, entry.address) : NULL;
        for (size_t i = 0; location && i < location->count; i++) {
            const struct names_line *line = &names->lines[location->first + i];
            size_t len;
            names_text(names, names->functions[line->function].name, &len);
            len += (size_t)snprintf(NULL, 0, "+0x%" PRIx32, line->offset);
            width = len > width ? len : width;
        }
    }
    return (width + 8) / 8 * 8;
}

static void text_put_stack_line(FILE *out, const struct text_frame *frame,
                                const struct address_line *entry, uint32_t offset, size_t width)
{
    int n = fprintf(out, "#\t0x%" PRIx64 "\t%s+0x%" PRIx32, entry->address, frame->name, offset) -
            (int)snprintf(NULL, 0, "#\t0x%" PRIx64 "\t", entry->address);
    if (frame->place[0]) {
        for (size_t at = (size_t)n; at < width; at = (at + 8) / 8 * 8) {
            fputc('\t', out);
        }
        fputs(frame->place, out);
    }
    fputc('\n', out);
}

static void text_put_thread_line(FILE *out, const struct text_frame *frame,
                                 const struct address_line *entry, uint32_t offset, bool first)
{
    /* Behind "created by" stands one function: not also the ones that it was inlined into. */
    if (entry->before[0] && !first) {
        return;
    }
    fprintf(out, "%s%s%s\n\t%s%s+0x%" PRIx32 "\n", entry->before, frame->name,
            entry->before[0] ? "" : "(...)", frame->place, frame->place[0] ? " " : "", offset);
}

static void text_put(FILE *out, const struct names *names, const struct location *location,
                     const struct address_line *entry, size_t width)
{
    struct text_frame frame;
    for (size_t i = 0; i < location->count; i++) {
        uint32_t offset = names->lines[location->first + i].offset;
        text_frame_of(&frame, names, location, i);
        if (entry->threads) {
            text_put_thread_line(out, &frame, entry, offset, i == 0);
        } else {
            text_put_stack_line(out, &frame, entry, offset, width);
        }
    }
}

static void text_copy(FILE *out, const struct profile *profile, const struct names *names,
                      char *text)
{
    bool threads = strncmp(text, "thread ", strlen("thread ")) == 0 && strstr(text, "]:\n");
    size_t width = 0;
    char *at = text, *line;
    struct address_line entry;
    while (*at) {
        if (*at == '#' && (at == text || width == 0)) {
            width = text_width(profile, names, at);
        } else if (*at != '#') {
            width = 0;
        }
        line = text_line(&at);
        if (strcmp(line, map_head) == 0 && threads && profile->named) {
            break;
        }
        const struct location *location =
            address_line_read(line, &entry) ? text_find(profile, entry.address) : NULL;
        if (!location) {
            fprintf(out, "%s\n", line);
            continue;
        }
        if (entry.threads && *at == '\t') {
            text_line(&at); /* drops the line with the place in the file */
        }
        text_put(out, names, location, &entry, width);
    }
}

int text_profile_rewrite(const struct profile *profile, const struct names *names, int in, int out)
{
    char *text = text_read(in);
    int error = text ? 0 : -errno, fd = text ? dup(out) : -1;
    FILE *stream = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!stream) {
        error = error ? error : -errno;
        if (fd >= 0) {
            close(fd);
        }
        free(text);
        return error;
    }
    text_copy(stream, profile, names, text);
    error = ferror(stream) ? -EIO : 0;
    if (fclose(stream) != 0) {
        error = error ? error : -errno;
    }
    free(text);
    return error;
}
