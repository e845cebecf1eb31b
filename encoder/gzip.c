/* SPDX-License-Identifier: MIT
 *
 * See gzip.h. zlib does the work; it asks for its memory once, in deflateInit2, and gets it from
 * behind the struct that holds everything else.
 */
#include "encoder/gzip.h"

#include "collectors/base/sys.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

enum {
    /* Go's level. On 18 MB of samples level 1 compresses 192 MB/s; level 6 compresses 100 MB/s and
     * makes the file 3 % smaller (zlib 1.2.13). */
    GZIP_LEVEL = 1,
    GZIP_WINDOW_BITS = 15 + 16, /* the largest window; + 16 asks for gzip's header and trailer */
    GZIP_MEM_LEVEL = 8,         /* zlib's default */
    /* Protobuf is written a few bytes at a time, and each call of deflate costs: collect 32 KiB. */
    GZIP_IN = 32 * 1024,
    GZIP_OUT = 32 * 1024,
    /* What zlib.h says deflate needs, (1 << (15 + 2)) + (1 << (8 + 9)) bytes, and its state of 6
     * KiB, with room for versions that want more. Pages that are not touched cost nothing. */
    GZIP_ZLIB = (1 << 17) + (1 << 17) + 128 * 1024,
};

struct gzip {
    z_stream z;
    const struct byte_sink *sink;
    int error;      /* the first one */
    size_t pending; /* bytes of in */
    size_t used;    /* bytes of zlib */
    unsigned char in[GZIP_IN];
    unsigned char out[GZIP_OUT];
    _Alignas(16) unsigned char zlib[GZIP_ZLIB];
};

static voidpf zlib_alloc(voidpf arg, uInt items, uInt size)
{
    struct gzip *gz = arg;
    size_t bytes = ((size_t)items * size + 15) & ~(size_t)15;
    if (bytes > sizeof gz->zlib - gz->used) {
        return Z_NULL;
    }
    void *p = gz->zlib + gz->used;
    gz->used += bytes;
    return p;
}

static void zlib_free(voidpf arg, voidpf p)
{
    (void)arg, (void)p; /* gzip_close unmaps the memory of all allocations at once */
}

struct gzip *gzip_open(const struct byte_sink *sink)
{
    struct gzip *gz = sys_map(sizeof *gz);
    if (!gz) {
        return NULL;
    }
    gz->sink = sink;
    gz->z.zalloc = zlib_alloc;
    gz->z.zfree = zlib_free;
    gz->z.opaque = gz;
    if (deflateInit2(&gz->z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        sys_unmap(gz, sizeof *gz);
        return NULL;
    }
    return gz;
}

void gzip_fail(struct gzip *gz, int error)
{
    if (gz->error == 0) {
        gz->error = error;
    }
}

int gzip_error(const struct gzip *gz)
{
    return gz->error;
}

/* Compresses n bytes of buf and writes each output buffer to the sink when it is full; with
 * Z_FINISH also the last one. False after an error. */
static bool compress_bytes(struct gzip *gz, const void *buf, size_t n, int flush)
{
    gz->z.next_in = (z_const Bytef *)buf;
    gz->z.avail_in = (uInt)n;
    do {
        if (gz->z.avail_out == 0) {
            gz->z.next_out = gz->out;
            gz->z.avail_out = sizeof gz->out;
        }
        int result = deflate(&gz->z, flush);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
            gzip_fail(gz, -EIO);
            return false;
        }
        size_t ready = sizeof gz->out - gz->z.avail_out;
        if (gz->z.avail_out == 0 || (result == Z_STREAM_END && ready > 0)) {
            gzip_fail(gz, gz->sink->write(gz->sink->arg, gz->out, ready));
        }
        if (result == Z_STREAM_END) {
            break;
        }
    } while (gz->error == 0 && (gz->z.avail_out == 0 || gz->z.avail_in > 0 || flush == Z_FINISH));
    return gz->error == 0;
}

bool gzip_write(struct gzip *gz, const void *buf, size_t n)
{
    if (gz->error != 0) {
        return false;
    }
    const unsigned char *p = buf;
    while (n > sizeof gz->in - gz->pending) {
        size_t part = sizeof gz->in - gz->pending;
        memcpy(gz->in + gz->pending, p, part);
        p += part;
        n -= part;
        gz->pending = 0;
        if (!compress_bytes(gz, gz->in, sizeof gz->in, Z_NO_FLUSH)) {
            return false;
        }
    }
    memcpy(gz->in + gz->pending, p, n);
    gz->pending += n;
    return true;
}

int gzip_close(struct gzip *gz)
{
    if (gz->error == 0) {
        compress_bytes(gz, gz->in, gz->pending, Z_FINISH);
    }
    int error = gz->error;
    sys_unmap(gz, sizeof *gz);
    return error;
}
