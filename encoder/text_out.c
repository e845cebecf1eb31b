/* SPDX-License-Identifier: MIT
 *
 * See text_out.h.
 */
#include "encoder/text_out.h"

#include "collectors/base/text.h"
#include "encoder/maps.h"

#include <string.h>

static void flush(struct text_out *out)
{
    if (out->error == 0 && out->n > 0) {
        out->error = out->sink->write(out->sink->arg, out->buf, out->n);
    }
    out->n = 0;
}

static void put_n(struct text_out *out, const char *text, size_t n)
{
    while (n > 0) {
        size_t room = sizeof out->buf - out->n;
        size_t part = n < room ? n : room;
        memcpy(out->buf + out->n, text, part);
        out->n += part;
        text += part;
        n -= part;
        if (out->n == sizeof out->buf) {
            flush(out);
        }
    }
}

void text_out_put(struct text_out *out, const char *text)
{
    put_n(out, text, strlen(text));
}

void text_out_put_int(struct text_out *out, int64_t v)
{
    char buf[32];
    struct text t = text_in(buf, sizeof buf);
    text_add_int(&t, v, 0);
    put_n(out, buf, t.len);
}

void text_out_put_hex(struct text_out *out, uint64_t v)
{
    char buf[32];
    struct text t = text_in(buf, sizeof buf);
    text_add(&t, "0x");
    text_add_hex(&t, v);
    put_n(out, buf, t.len);
}

void text_out_put_quoted(struct text_out *out, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    put_n(out, "\"", 1);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            put_n(out, "\\", 1);
            put_n(out, text, 1);
        } else if (c == '\n' || c == '\t' || c == '\r') {
            put_n(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r", 2);
        } else if (c < 0x20 || c == 0x7f) {
            char escape[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};
            put_n(out, escape, 4);
        } else {
            put_n(out, text, 1);
        }
    }
    put_n(out, "\"", 1);
}

int text_out_finish(struct text_out *out)
{
    flush(out);
    return out->error;
}

void text_out_put_maps(struct text_out *out, const struct maps *maps)
{
    text_out_put(out, "--- Memory map: ---\n");
    for (uint32_t id = 1; id <= maps_count(maps); id++) {
        const struct mapping *m = maps_mapping(maps, id);
        char buf[96];
        struct text t = text_in(buf, sizeof buf);
        text_add_hex(&t, m->start);
        text_add(&t, "-");
        text_add_hex(&t, m->limit);
        text_add(&t, " r-xp ");
        put_n(out, buf, t.len);
        text_out_put(out, maps_text(maps, m->file));
        t = text_in(buf, sizeof buf);
        text_add(&t, " (@");
        text_add_hex(&t, m->offset);
        text_add(&t, ") ");
        put_n(out, buf, t.len);
        text_out_put(out, maps_text(maps, m->build_id));
        text_out_put(out, "\n");
    }
}
