/* SPDX-License-Identifier: MIT
 *
 * The protobuf wire format, read from and written to gzip as a stream.
 *
 * profile_file.c reads with it (pass 1), rewrite.c reads and writes with it (pass 2). Nothing here
 * knows what a profile is. The limits are against hostile files: the inflated size is capped, and
 * no length found in a file is believed before that many bytes have really been there.
 *
 * The caller owns the descriptor; a stream duplicates it and must be closed. The nanopb stream
 * made from it points into it, so it must not move meanwhile.
 */
#ifndef ENCODER_SYMBOLIZE_WIRE_H
#define ENCODER_SYMBOLIZE_WIRE_H

#include <pb_decode.h>
#include <pb_encode.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

enum { WIRE_MAX_INFLATED = 1 << 30 }; /* bytes; Go's own largest profiles are some 100 MB */

struct wire_in {
    gzFile gz;
    uint64_t inflated; /* so far */
    size_t at, have;   /* unread part of buf */
    int error;         /* sticky, -errno; 0 at a clean end of the file */
    uint8_t buf[1 << 16];
};

struct wire_out {
    gzFile gz;
    int error; /* sticky, -errno */
};

/* One message's bytes, reused from message to message. */
struct wire_buf {
    uint8_t *data;
    size_t len, cap;
};

/* One field's key, and for a length-delimited one the length that follows it. */
struct wire_field {
    uint32_t tag;
    pb_wire_type_t type;
    uint64_t value; /* of a varint, or the length of a string */
};

int wire_open(struct wire_in *in, int fd); /* reads from the start of the file, gzip'ed or not */
int wire_close(struct wire_in *in);
pb_istream_t wire_stream(struct wire_in *in);

/* The next field: 1, or 0 at the end, or -errno. A varint is read whole; of a string the length;
 * the bytes of all others are still to be read. */
int wire_next(struct wire_in *in, pb_istream_t *stream, struct wire_field *field);
int wire_skip(struct wire_in *in, pb_istream_t *stream, const struct wire_field *field);
int wire_take(struct wire_in *in, pb_istream_t *stream, uint64_t len, struct wire_buf *buf);
void wire_buf_free(struct wire_buf *buf);

int wire_create(struct wire_out *out, int fd); /* gzip level 1 */
int wire_finish(struct wire_out *out);
pb_ostream_t wire_sink(struct wire_out *out);

/* The field as it came, key and all. */
int wire_copy(struct wire_in *in, pb_istream_t *stream, const struct wire_field *field,
              struct wire_out *out, pb_ostream_t *sink);

/* The same inside a message that is in memory: 1, 0, -EBADMSG. The bytes of a string or a fixed
 * field are consumed; they end where the stream now stands. */
int wire_inner(pb_istream_t *stream, struct wire_field *field);

#endif
