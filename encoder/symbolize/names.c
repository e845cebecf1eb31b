/* SPDX-License-Identifier: MIT
 *
 * Functions and their texts, each kept once; see names.h.
 *
 * Two chained hash tables over arrays that grow. A chain link is an index plus one, so that a table
 * of zeros is an empty one. Texts are made valid UTF-8 when they are kept: protobuf readers in
 * several languages refuse a whole profile for one bad byte of a symbol name.
 */
#include "encoder/symbolize/names.h"

#include "encoder/symbolize/grow.h"

#include <stdbool.h>
#include <string.h>

enum { TEXT_MAX = 65536 }; /* bytes; longer C++ names are cut */

/* FNV-1a, written again here since nothing of the library is included. Names are short; names of a
 * hostile file that collide cost time in this program only, not in the profiled one. */
static uint32_t names_hash(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ p[i]) * 16777619u;
    }
    return hash;
}

/* Length of the valid UTF-8 sequence at p, 0 if it is none (RFC 3629). */
static size_t names_utf8(const uint8_t *p, size_t len)
{
    size_t n = p[0] < 0x80   ? 1
               : p[0] < 0xc2 ? 0
               : p[0] < 0xe0 ? 2
               : p[0] < 0xf0 ? 3
               : p[0] < 0xf5 ? 4
                             : 0;
    if (n == 0 || n > len) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return n;
}

static void names_make_utf8(char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = names_utf8((const uint8_t *)text + i, len - i);
        if (n == 0) {
            text[i] = '?';
            n = 1;
        }
        i += n;
    }
}

/* Doubles the number of heads: called when a chain has more than one text on average. */
static int names_rehash_texts(struct names *names)
{
    size_t n = names->ntext_heads ? names->ntext_heads * 2 : 1024;
    uint32_t *heads = calloc(n, sizeof *heads);
    if (!heads) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < names->ntexts; i++) {
        struct names_text *text = &names->texts[i];
        text->next = heads[text->hash & (n - 1)];
        heads[text->hash & (n - 1)] = (uint32_t)i + 1;
    }
    free(names->text_heads);
    names->text_heads = heads;
    names->ntext_heads = n;
    return 0;
}

static int names_rehash_functions(struct names *names)
{
    size_t n = names->nfunction_heads ? names->nfunction_heads * 2 : 1024;
    uint32_t *heads = calloc(n, sizeof *heads);
    if (!heads) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < names->nfunctions; i++) {
        struct names_function *function = &names->functions[i];
        function->next = heads[function->hash & (n - 1)];
        heads[function->hash & (n - 1)] = (uint32_t)i + 1;
    }
    free(names->function_heads);
    names->function_heads = heads;
    names->nfunction_heads = n;
    return 0;
}

/* The index of a text of that hash, or UINT32_MAX. */
static uint32_t names_look_up(const struct names *names, const char *string, size_t len,
                              uint32_t hash)
{
    uint32_t i = names->ntext_heads ? names->text_heads[hash & (names->ntext_heads - 1)] : 0;
    for (; i; i = names->texts[i - 1].next) {
        const struct names_text *text = &names->texts[i - 1];
        if (text->hash == hash && text->len == len &&
            memcmp(names->bytes + text->at, string, len) == 0) {
            return i - 1;
        }
    }
    return UINT32_MAX;
}

bool names_find(const struct names *names, const char *string, uint32_t *index)
{
    size_t len = strlen(string);
    *index = names_look_up(names, string, len, names_hash(string, len));
    return *index != UINT32_MAX;
}

static int names_intern(struct names *names, const char *string, uint32_t *index)
{
    size_t len = strnlen(string, TEXT_MAX);
    if (names->ntexts >= names->ntext_heads && names_rehash_texts(names)) {
        return -ENOMEM;
    }
    if (grow_array(&names->bytes, &names->bytes_cap, names->nbytes + len + 1,
                   sizeof *names->bytes)) {
        return -ENOMEM;
    }
    char *copy = names->bytes + names->nbytes;
    memcpy(copy, string, len);
    copy[len] = '\0';
    names_make_utf8(copy, len);

    uint32_t hash = names_hash(copy, len);
    *index = names_look_up(names, copy, len, hash);
    if (*index != UINT32_MAX) {
        return 0;
    }
    uint32_t *head = &names->text_heads[hash & (names->ntext_heads - 1)];
    if (names->ntexts >= UINT32_MAX - 1) {
        return -E2BIG;
    }
    if (grow_array(&names->texts, &names->texts_cap, names->ntexts + 1, sizeof *names->texts)) {
        return -ENOMEM;
    }
    names->texts[names->ntexts] =
        (struct names_text){.at = names->nbytes, .len = (uint32_t)len, .next = *head, .hash = hash};
    names->nbytes += len + 1;
    *index = (uint32_t)names->ntexts++;
    *head = *index + 1;
    return 0;
}

static int names_function(struct names *names, const struct frame *frame, uint32_t *index)
{
    struct names_function new = {.start_line = frame->start_line};
    if (names_intern(names, frame->name, &new.name) ||
        names_intern(names, frame->system_name, &new.system_name) ||
        names_intern(names, frame->file, &new.file)) {
        return -ENOMEM;
    }
    if (names->nfunctions >= names->nfunction_heads && names_rehash_functions(names)) {
        return -ENOMEM;
    }

    uint32_t key[3] = {new.name, new.system_name, new.file};
    new.hash = names_hash(key, sizeof key);
    uint32_t *head = &names->function_heads[new.hash &(names->nfunction_heads - 1)];
    for (uint32_t i = *head; i; i = names->functions[i - 1].next) {
        struct names_function *old = &names->functions[i - 1];
        if (old->name == new.name && old->system_name == new.system_name && old->file == new.file) {
            if (old->start_line == 0) {
                old->start_line = new.start_line;
            }
            *index = i - 1;
            return 0;
        }
    }
    if (names->nfunctions >= UINT32_MAX - 1) {
        return -E2BIG;
    }
    if (grow_array(&names->functions, &names->functions_cap, names->nfunctions + 1,
                   sizeof *names->functions)) {
        return -ENOMEM;
    }
    new.next = *head;
    names->functions[names->nfunctions] = new;
    *index = (uint32_t)names->nfunctions++;
    *head = *index + 1;
    return 0;
}

int names_init(struct names *names)
{
    uint32_t empty;
    memset(names, 0, sizeof *names);
    return names_intern(names, "", &empty);
}

void names_free(struct names *names)
{
    free(names->bytes);
    free(names->texts);
    free(names->functions);
    free(names->lines);
    free(names->text_heads);
    free(names->function_heads);
    memset(names, 0, sizeof *names);
}

int names_add(struct names *names, const struct frame *frames, size_t n, uint32_t *first)
{
    if (names->nlines + n >= UINT32_MAX) {
        return -E2BIG;
    }
    if (grow_array(&names->lines, &names->lines_cap, names->nlines + n + 1, sizeof *names->lines)) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        struct names_line *line = &names->lines[names->nlines + i];
        int error = names_function(names, &frames[i], &line->function);
        if (error) {
            return error;
        }
        line->line = frames[i].line;
        line->offset = frames[i].offset;
    }
    *first = (uint32_t)names->nlines;
    names->nlines += n;
    return 0;
}

const char *names_text(const struct names *names, uint32_t text, size_t *len)
{
    *len = names->texts[text].len;
    return names->bytes + names->texts[text].at;
}
