/* SPDX-License-Identifier: MIT
 *
 * See buffer.h. The size doubles, so that all copies together move no more bytes than the final
 * size.
 */
#include "encoder/buffer.h"

#include "collectors/base/sys.h"

#include <string.h>

/* Pages of a mapping that are never touched take no memory, so the first size may be large. */
enum { BUFFER_FIRST = 64 * 1024 };

bool buffer_reserve(struct buffer *b, size_t bytes)
{
    if (LIKELY(bytes <= b->size)) {
        return true;
    }
    size_t size = b->size ? b->size : BUFFER_FIRST;
    while (size < bytes) {
        if (__builtin_mul_overflow(size, 2, &size)) {
            return false;
        }
    }
    void *at = sys_map(size);
    if (!at) {
        return false;
    }
    if (b->at) {
        memcpy(at, b->at, b->size);
        sys_unmap(b->at, b->size);
    }
    b->at = at;
    b->size = size;
    return true;
}

void buffer_free(struct buffer *b)
{
    sys_unmap(b->at, b->size);
    *b = (struct buffer){0};
}
