/* SPDX-License-Identifier: MIT
 *
 * The items of a profile as protobuf, each written straight into the gzip stream: nothing is kept,
 * errors stick to the stream. Called by encode.c alone; the only file that knows nanopb and the
 * generated code. In the scribe or a signal handler.
 */
#ifndef ENCODER_PROTOBUF_H
#define ENCODER_PROTOBUF_H

#include "encoder/gzip.h"
#include "encoder/model.h"

/* type, unit and all other texts are string ids of the model; only protobuf_string takes a text. */
void protobuf_sample_type(struct gzip *out, uint32_t type, uint32_t unit);
void protobuf_period(struct gzip *out, uint32_t type, uint32_t unit, int64_t period);
void protobuf_default_sample_type(struct gzip *out, uint32_t type);
void protobuf_times(struct gzip *out, int64_t time_nanos, int64_t duration_nanos);
void protobuf_sample(struct gzip *out, const struct model_sample *sample);
void protobuf_location(struct gzip *out, const struct model_location *location);
void protobuf_mapping(struct gzip *out, const struct model_mapping *mapping);
void protobuf_string(struct gzip *out, const char *string);

#endif
