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

enum { SYNTHETIC_SIZE = PATH_MAX + 32 };

bool synthetic_is(const char *name)
{
    const char *bang = strrchr(name, '!');
    return bang && bang > name && strncmp(bang, "!0x", 3) == 0 && bang[3] &&
           strspn(bang + 3, "0123456789abcdef") == strlen(bang + 3);
}

int synthetic_put_function(struct answer_sink *sink, size_t index, const char *file, uint64_t start,
                           uint64_t offset)
{
    struct module module = {.file = file};
    char path[PATH_MAX], name[SYNTHETIC_SIZE], system_name[SYNTHETIC_SIZE];
    locate_path(&module, path);
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    snprintf(system_name, sizeof system_name, "%s!0x%" PRIx64, *base ? base : NO_MODULE, start);
    memcpy(name, system_name, sizeof name);
    for (char *dot = name; (dot = strchr(dot, '.'));) {
        *dot = '_';
    }
    struct frame frame = {
        .name = name, .system_name = system_name, .file = "", .offset = (uint32_t)offset};
    return sink->put(sink, index, ANSWER_SYNTHETIC, &frame, 1);
}

int synthetic_put(struct answer_sink *sink, size_t index, const struct query *query)
{
    const struct mapping *mapping = query->mapping;
    uint64_t address = mapping ? query->address - mapping->start + mapping->offset : query->address;
    return synthetic_put_function(sink, index, mapping ? mapping->file : "", address, 0);
}
