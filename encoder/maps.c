/* SPDX-License-Identifier: MIT
 *
 * See maps.h. A line of the file is
 *
 *     55e89a515000-55e89a51a000 r-xp 00002000 fe:00 247134     /usr/bin/cat
 *
 * with a name that may be of any length and hold any byte. So the file is read one character at a
 * time through a small buffer, and names go straight into maps->text. It is read by raw system
 * calls: errno stays as it is, and no lock of the program is taken.
 */
#include "encoder/maps.h"

#include "collectors/base/sys.h"
#include "encoder/build_id.h"

#include <string.h>

struct reader {
    int fd;           /* negative: nothing is read but what is there */
    int next;         /* the character at hand; -1 at the end */
    const char *from; /* what is there */
    size_t at, len;
    char buf[4096];
};

/* What maps_keep() has read. */
static char *kept;
static size_t kept_bytes;
enum { KEPT_MOST = 4 << 20 };

struct line {
    struct mapping m;
    bool executable;
};

/* ---- characters ---- */

static void reader_step(struct reader *r)
{
    if (r->at == r->len && r->fd >= 0) {
        long got = sys_read(r->fd, r->buf, sizeof r->buf);
        r->from = r->buf;
        r->at = 0;
        r->len = got > 0 ? (size_t)got : 0;
    }
    r->next = r->at < r->len ? (unsigned char)r->from[r->at++] : -1;
}

static void skip_blanks(struct reader *r)
{
    while (r->next == ' ') {
        reader_step(r);
    }
}

/* A number and the one character behind it, unless that ends the line. */
static uint64_t read_number(struct reader *r, unsigned base)
{
    uint64_t n = 0;
    for (;; reader_step(r)) {
        unsigned digit;
        if (r->next >= '0' && r->next <= '9') {
            digit = (unsigned)(r->next - '0');
        } else if (r->next >= 'a' && r->next <= 'f') {
            digit = (unsigned)(r->next - 'a') + 10;
        } else {
            break;
        }
        n = n * base + digit;
    }
    if (r->next != '\n' && r->next != -1) {
        reader_step(r);
    }
    return n;
}

/* ---- text ---- */

static bool text_put(struct maps *maps, char c)
{
    if (!buffer_reserve(&maps->text, maps->text_used + 1)) {
        return false;
    }
    ((char *)maps->text.at)[maps->text_used++] = c;
    return true;
}

static bool text_ends_with(const struct maps *maps, size_t from, const char *tail)
{
    size_t n = strlen(tail);
    return maps->text_used - from >= n &&
           memcmp((char *)maps->text.at + maps->text_used - n, tail, n) == 0;
}

/* Appends the rest of the line to maps->text, as *name. The kernel writes a newline inside a name
 * as \012 and every other byte as it is, the backslash included. Behind the name of a deleted file
 * it writes " (deleted)", which is dropped. */
static bool read_name(struct reader *r, struct maps *maps, size_t *name)
{
    *name = maps->text_used;
    for (; r->next != '\n' && r->next != -1; reader_step(r)) {
        if (!text_put(maps, (char)r->next)) {
            return false;
        }
        if (text_ends_with(maps, *name, "\\012")) {
            maps->text_used -= strlen("\\012");
            ((char *)maps->text.at)[maps->text_used++] = '\n';
        }
    }
    if (text_ends_with(maps, *name, " (deleted)")) {
        maps->text_used -= strlen(" (deleted)");
    }
    return text_put(maps, '\0');
}

/* ---- lines ---- */

/* Reads a line up to its name. False at the end of the file. */
static bool read_line(struct reader *r, struct line *line)
{
    if (r->next == -1) {
        return false;
    }
    line->m = (struct mapping){0};
    line->m.start = read_number(r, 16);
    line->m.limit = read_number(r, 16);
    line->executable = false;
    for (; r->next > ' '; reader_step(r)) {
        line->executable |= r->next == 'x';
    }
    skip_blanks(r);
    line->m.offset = read_number(r, 16);
    line->m.device = read_number(r, 16) << 32;
    line->m.device |= read_number(r, 16);
    line->m.inode = read_number(r, 10);
    skip_blanks(r);
    return true;
}

static void skip_line(struct reader *r)
{
    while (r->next != '\n' && r->next != -1) {
        reader_step(r);
    }
    reader_step(r);
}

/* ---- mappings ---- */

static bool same_file(const struct mapping *a, const struct mapping *b)
{
    return a->inode == b->inode && a->device == b->device;
}

/* base is the last mapping so far of a file's first byte. Loaders map the segments of an object in
 * the order of their file, so base holds the ELF header of the code that follows. If base is of
 * another file, the header is looked for where the file's first byte would be mapped. */
static bool add_build_id(struct maps *maps, struct mapping *m, const struct mapping *base)
{
    unsigned char id[BUILD_ID_MAX];
    uintptr_t header = same_file(base, m) ? base->start : m->start - m->offset;
    size_t n = build_id_read(header, m->start, m->offset, id);
    if (n == 0) {
        return true;
    }
    m->build_id = maps->text_used;
    for (size_t i = 0; i < n; i++) {
        if (!text_put(maps, "0123456789abcdef"[id[i] >> 4]) ||
            !text_put(maps, "0123456789abcdef"[id[i] & 15])) {
            return false;
        }
    }
    return text_put(maps, '\0');
}

/* Some programs move their text to anonymous memory, to have it on huge pages. Whether m is such
 * text of the object at base; then m gets that file's identity and offset. */
static bool is_moved_text(struct mapping *m, const struct mapping *base)
{
    if (base->inode == 0 || !build_id_text_offset(base->start, m->start, &m->offset)) {
        return false;
    }
    m->device = base->device;
    m->inode = base->inode;
    return true;
}

/* Adds the mapping if it is of a file or the vDSO. False: no memory. */
static bool add_mapping(struct maps *maps, struct mapping *m, struct reader *r,
                        const struct mapping *base)
{
    if (same_file(base, m) || is_moved_text(m, base)) {
        m->file = base->file;
    } else {
        if (!read_name(r, maps, &m->file)) {
            return false;
        }
        const char *text = maps_text(maps, m->file);
        if (*text == '\0' || (m->inode == 0 && strcmp(text, "[vdso]") != 0)) {
            maps->text_used = m->file;
            return true;
        }
    }
    if (!add_build_id(maps, m, base) ||
        !buffer_reserve(&maps->mappings, (maps->count + 1) * sizeof *m)) {
        return false;
    }
    ((struct mapping *)maps->mappings.at)[maps->count++] = *m;
    return true;
}

static bool read_all(struct maps *maps, struct reader *r, uintptr_t main_phdr,
                     struct mapping *main_program)
{
    struct mapping base = {0};
    struct line line;
    for (reader_step(r); read_line(r, &line); skip_line(r)) {
        if (line.m.offset == 0 && line.m.inode != 0) {
            base = line.m;
            if (!read_name(r, maps, &base.file)) {
                return false;
            }
        }
        if (line.m.start <= main_phdr && main_phdr < line.m.limit) {
            *main_program = line.m;
        }
        if (line.executable && !add_mapping(maps, &line.m, r, &base)) {
            return false;
        }
    }
    return true;
}

/* main_program is the mapping of the program headers and may hold no code, so it is not in the
 * table: the first code mapping of the same file goes to the front. */
static void put_main_first(struct maps *maps, const struct mapping *main_program)
{
    struct mapping *all = maps->mappings.at;
    for (uint32_t i = 0; main_program->inode != 0 && i < maps->count; i++) {
        if (same_file(&all[i], main_program)) {
            struct mapping found = all[i];
            memmove(all + 1, all, i * sizeof *all);
            all[0] = found;
            return;
        }
    }
}

static const char own_maps[] = "/proc/thread-self/maps";

bool maps_keep(void)
{
    size_t n = 0;
    long got = -1;
    int fd = sys_open(own_maps, O_RDONLY, 0);
    char *text = fd >= 0 ? (kept ? kept : sys_map(KEPT_MOST)) : NULL;
    while (text && n < KEPT_MOST && (got = sys_read(fd, text + n, KEPT_MOST - n)) > 0) {
        n += (size_t)got;
    }
    if (fd >= 0) {
        sys_close(fd);
    }
    kept = text ? text : kept;
    kept_bytes = got == 0 ? n : 0;
    return kept_bytes != 0;
}

struct maps *maps_read(uintptr_t main_phdr)
{
    struct maps *maps = sys_map(sizeof *maps);
    if (!maps) {
        return NULL;
    }
    struct reader r = {.fd = sys_open(own_maps, O_RDONLY, 0), .from = kept, .len = kept_bytes};
    r.len = r.fd < 0 ? r.len : 0;
    struct mapping main_program = {0};
    /* Without procfs, and what was kept of it, there are no mappings, and still a profile. */
    bool ok = text_put(maps, '\0') &&
              ((r.fd < 0 && r.len == 0) || read_all(maps, &r, main_phdr, &main_program));
    if (r.fd >= 0) {
        sys_close(r.fd);
    }
    if (!ok) {
        maps_free(maps);
        return NULL;
    }
    put_main_first(maps, &main_program);
    maps->present = maps->count;
    return maps;
}

void maps_free(struct maps *maps)
{
    if (maps) {
        buffer_free(&maps->mappings);
        buffer_free(&maps->text);
        buffer_free(&maps->past);
        sys_unmap(maps, sizeof *maps);
    }
}
