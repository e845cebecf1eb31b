/* SPDX-License-Identifier: MIT
 *
 * See wire.h.
 *
 * nanopb's primitives decode; this file gives them bytes from zlib, which also reads files that are
 * not gzip'ed, and turns their "false" into an errno.
 */
#include "encoder/symbolize/wire.h"

#include "encoder/symbolize/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* zlib's error as -errno; 0: none. A file that ends in the middle of the stream is Z_BUF_ERROR, so
 * -EBADMSG. */
static int wire_gz_error(gzFile gz)
{
    int code = Z_OK;
    gzerror(gz, &code);
    switch (code) {
    case Z_OK:
        return 0;
    case Z_ERRNO:
        return errno ? -errno : -EIO;
    case Z_MEM_ERROR:
        return -ENOMEM;
    default:
        return -EBADMSG;
    }
}

static void wire_fill(struct wire_in *in)
{
    int got = gzread(in->gz, in->buf, sizeof in->buf);
    in->at = in->have = 0;
    if (got <= 0) {
        in->error = wire_gz_error(in->gz);
        return;
    }
    in->inflated += (unsigned)got;
    if (in->inflated > WIRE_MAX_INFLATED) {
        in->error = -EFBIG;
        return;
    }
    in->have = (size_t)got;
}

/* nanopb's callback: reads all of `count` bytes or returns false. bytes_left 0 tells nanopb that
 * the stream has ended. */
static bool wire_read(pb_istream_t *stream, pb_byte_t *buf, size_t count)
{
    struct wire_in *in = stream->state;
    while (count > 0) {
        if (in->at == in->have && in->error == 0) {
            wire_fill(in);
        }
        size_t n = in->have - in->at;
        if (n == 0) {
            stream->bytes_left = 0;
            return false;
        }
        if (n > count) {
            n = count;
        }
        if (buf) {
            memcpy(buf, in->buf + in->at, n);
            buf += n;
        }
        in->at += n;
        count -= n;
    }
    return true;
}

int wire_open(struct wire_in *in, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    in->at = in->have = 0;
    in->inflated = 0;
    in->error = 0;
    in->gz = NULL;
    if (copy < 0) {
        return -errno;
    }
    if (lseek(copy, 0, SEEK_SET) < 0) {
        int error = -errno;
        close(copy);
        return error;
    }
    in->gz = gzdopen(copy, "rb");
    if (!in->gz) {
        close(copy);
        return -ENOMEM;
    }
    gzbuffer(in->gz, sizeof in->buf);
    return 0;
}

int wire_close(struct wire_in *in)
{
    if (in->gz) {
        gzclose_r(in->gz);
    }
    in->gz = NULL;
    return in->error;
}

pb_istream_t wire_stream(struct wire_in *in)
{
    pb_istream_t stream = PB_ISTREAM_EMPTY;
    stream.callback = wire_read;
    stream.state = in;
    stream.bytes_left = SIZE_MAX;
    return stream;
}

/* The error after nanopb has returned false: the file's, or -EBADMSG for bytes that are no
 * protobuf. */
static int wire_why(const struct wire_in *in)
{
    return in->error ? in->error : -EBADMSG;
}

int wire_next(struct wire_in *in, pb_istream_t *stream, struct wire_field *field)
{
    uint64_t before = in->inflated - (in->have - in->at);
    bool eof = false;
    if (!pb_decode_tag(stream, &field->type, &field->tag, &eof)) {
        uint64_t after = in->inflated - (in->have - in->at);
        return eof && in->error == 0 && before == after ? 0 : wire_why(in);
    }
    field->value = 0;
    if (field->tag == 0) {
        return -EBADMSG;
    }
    switch (field->type) {
    case PB_WT_VARINT:
    case PB_WT_STRING:
        return pb_decode_varint(stream, &field->value) ? 1 : wire_why(in);
    case PB_WT_64BIT:
    case PB_WT_32BIT:
        return 1;
    default:
        return -EBADMSG; /* groups: profile.proto has none */
    }
}

static uint64_t wire_size(const struct wire_field *field)
{
    switch (field->type) {
    case PB_WT_STRING:
        return field->value;
    case PB_WT_64BIT:
        return 8;
    case PB_WT_32BIT:
        return 4;
    default:
        return 0;
    }
}

int wire_skip(struct wire_in *in, pb_istream_t *stream, const struct wire_field *field)
{
    uint64_t left = wire_size(field);
    while (left > 0) {
        size_t n = left < sizeof in->buf ? (size_t)left : sizeof in->buf;
        if (!wire_read(stream, NULL, n)) {
            return wire_why(in);
        }
        left -= n;
    }
    return 0;
}

int wire_take(struct wire_in *in, pb_istream_t *stream, uint64_t len, struct wire_buf *buf)
{
    buf->len = 0;
    while (buf->len < len) {
        uint64_t rest = len - buf->len;
        size_t n = rest < sizeof in->buf ? (size_t)rest : sizeof in->buf;
        if (grow_array(&buf->data, &buf->cap, buf->len + n, sizeof *buf->data)) {
            return -ENOMEM;
        }
        if (!wire_read(stream, buf->data + buf->len, n)) {
            return wire_why(in);
        }
        buf->len += n;
    }
    return 0;
}

void wire_buf_free(struct wire_buf *buf)
{
    free(buf->data);
    memset(buf, 0, sizeof *buf);
}

static bool wire_write(pb_ostream_t *stream, const pb_byte_t *buf, size_t count)
{
    struct wire_out *out = stream->state;
    while (count > 0 && out->error == 0) {
        unsigned n = count < 1u << 20 ? (unsigned)count : 1u << 20;
        int put = gzwrite(out->gz, buf, n);
        if (put <= 0) {
            out->error = wire_gz_error(out->gz);
            if (out->error == 0) {
                out->error = -EIO;
            }
            break;
        }
        buf += put;
        count -= (unsigned)put;
    }
    return out->error == 0;
}

int wire_create(struct wire_out *out, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    out->error = 0;
    out->gz = NULL;
    if (copy < 0) {
        return -errno;
    }
    out->gz = gzdopen(copy, "wb1");
    if (!out->gz) {
        close(copy);
        return -ENOMEM;
    }
    gzbuffer(out->gz, 1 << 16);
    return 0;
}

int wire_finish(struct wire_out *out)
{
    if (!out->gz) {
        return out->error;
    }
    errno = 0;
    int code = gzclose_w(out->gz);
    out->gz = NULL;
    if (out->error == 0 && code != Z_OK) {
        out->error = code == Z_ERRNO && errno ? -errno : -EIO;
    }
    return out->error;
}

pb_ostream_t wire_sink(struct wire_out *out)
{
    pb_ostream_t sink = PB_OSTREAM_SIZING;
    sink.callback = wire_write;
    sink.state = out;
    sink.max_size = SIZE_MAX;
    return sink;
}

int wire_copy(struct wire_in *in, pb_istream_t *stream, const struct wire_field *field,
              struct wire_out *out, pb_ostream_t *sink)
{
    uint64_t left = wire_size(field);
    bool ok = pb_encode_tag(sink, field->type, field->tag);
    if (field->type == PB_WT_VARINT || field->type == PB_WT_STRING) {
        ok = ok && pb_encode_varint(sink, field->value);
    }
    while (ok && left > 0) {
        uint8_t chunk[4096];
        size_t n = left < sizeof chunk ? (size_t)left : sizeof chunk;
        if (!wire_read(stream, chunk, n)) {
            return wire_why(in);
        }
        ok = pb_write(sink, chunk, n);
        left -= n;
    }
    return ok ? 0 : out->error ? out->error : -EIO;
}

int wire_inner(pb_istream_t *stream, struct wire_field *field)
{
    bool eof = false;
    if (stream->bytes_left == 0) {
        return 0;
    }
    if (!pb_decode_tag(stream, &field->type, &field->tag, &eof)) {
        return -EBADMSG;
    }
    field->value = 0;
    if (field->tag == 0) {
        return -EBADMSG;
    }
    if (field->type == PB_WT_VARINT || field->type == PB_WT_STRING) {
        if (!pb_decode_varint(stream, &field->value)) {
            return -EBADMSG;
        }
    }
    uint64_t size = wire_size(field);
    if (field->type > PB_WT_STRING && field->type != PB_WT_32BIT) {
        return -EBADMSG;
    }
    if (size > stream->bytes_left || !pb_read(stream, NULL, (size_t)size)) {
        return -EBADMSG;
    }
    return 1;
}
