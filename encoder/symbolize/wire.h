/* SPDX-License-Identifier: MIT
 *
 * Reads and writes the protobuf wire format as a stream in gzip.
 *
 * profile_file.c reads with it (pass 1), rewrite.c reads and writes with it (pass 2). It knows
 * nothing of profiles. Against hostile files the inflated size has a limit, and memory for a length
 * that a file states is taken only as its bytes arrive.
 *
 * The caller keeps its descriptor: wire_open and wire_create duplicate it, wire_close and
 * wire_finish close the duplicate. A nanopb stream points to its struct wire_in or wire_out, which
 * must not move while it is used.
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
    uint64_t value; /* a varint's value, or a string's length */
};

/* Reads from the start of the file, gzip'ed or not. 0 or -errno. */
int wire_open(struct wire_in *in, int fd);
int wire_close(struct wire_in *in);
pb_istream_t wire_stream(struct wire_in *in);

/* The next field: 1, 0 at the end, or -errno. A varint is read whole, of a string only the length.
 * The bytes of a string or fixed-size field are then to be read by wire_skip, wire_take or
 * wire_copy. */
int wire_next(struct wire_in *in, pb_istream_t *stream, struct wire_field *field);
int wire_skip(struct wire_in *in, pb_istream_t *stream, const struct wire_field *field);
int wire_take(struct wire_in *in, pb_istream_t *stream, uint64_t len, struct wire_buf *buf);
void wire_buf_free(struct wire_buf *buf);

/* Writes gzip of level 1. 0 or -errno. */
int wire_create(struct wire_out *out, int fd);
int wire_finish(struct wire_out *out);
pb_ostream_t wire_sink(struct wire_out *out);

/* Copies the field with its key as it is. 0 or -errno. */
int wire_copy(struct wire_in *in, pb_istream_t *stream, const struct wire_field *field,
              struct wire_out *out, pb_ostream_t *sink);

/* The next field of a message that is in memory: 1, 0 at the end, or -EBADMSG. The bytes of a
 * string or a fixed-size field are skipped: they end where the stream now is. */
int wire_inner(pb_istream_t *stream, struct wire_field *field);

#endif
