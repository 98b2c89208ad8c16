/* A plain `mining.submit`, read from a line of JSON without copying. Internal. */
#ifndef HEADFRAME_SUBMIT_H
#define HEADFRAME_SUBMIT_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the line. */
typedef struct {
    const uint8_t *at;
    size_t size;
} hf_text;

/* Texts are without their quotes, but for the id, which is as it came. */
typedef struct {
    hf_text id, name, job, extranonce, ntime, nonce;
    hf_text bits; /* at NULL if there are none */
} hf_submit;

enum { HF_MAX_ID = 40 }; /* bytes of a plain id */

/* Read a line, without its '\n'; 0 when it is no plain submit (headframe.h says what is). */
int hf_read_submit(hf_submit *submit, const uint8_t *line, size_t size);

/* Read `size` bytes written as twice as many hex digits; 0 when they are not. */
int hf_read_hex(uint8_t *bytes, const uint8_t *digits, size_t size);

#endif
