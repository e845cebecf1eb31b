/* SPDX-License-Identifier: MIT
 *
 * See synthetic.h.
 */
#include "encoder/symbolize/synthetic.h"

#include "encoder/symbolize/locate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NO_MODULE "[anon]" /* memory of no file, mostly a JIT's code */

void synthetic_name(char name[SYNTHETIC_SIZE], const char *file, uint64_t vaddr)
{
    struct module module = {.file = file};
    char path[PATH_MAX];
    locate_path(&module, path);
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    snprintf(name, SYNTHETIC_SIZE, "%s!0x%" PRIx64, *base ? base : NO_MODULE, vaddr);
}

bool synthetic_is(const char *name)
{
    const char *bang = strrchr(name, '!');
    return bang && bang > name && strncmp(bang, "!0x", 3) == 0 && bang[3] &&
           strspn(bang + 3, "0123456789abcdef") == strlen(bang + 3);
}

int synthetic_put(struct answer_sink *sink, size_t index, const struct query *query)
{
    const struct mapping *mapping = query->mapping;
    char name[SYNTHETIC_SIZE];
    synthetic_name(name, mapping ? mapping->file : "",
                   mapping ? query->address - mapping->start + mapping->offset : query->address);
    struct frame frame = {.name = name, .system_name = name, .file = ""};
    return sink->put(sink, index, ANSWER_SYNTHETIC, &frame, 1);
}
