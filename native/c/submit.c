/* Lines of JSON that are plain submits. All else is left to a whole JSON parser. */
#include "submit.h"

#include <string.h>

typedef struct {
    const uint8_t *at, *end;
} reader;

enum { PARAMS = 6, PARAMS_NEEDED = 5, DIGITS = 18 };
/* The members of a submit, as bits. */
enum { NONE = 0, ID = 1, METHOD = 2, PARAMS_LIST = 4, ALL = 7 };

static void skip_blanks(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r')) {
        r->at++;
    }
}

/* Skip a character, and blanks before it. */
static int read_char(reader *r, uint8_t wanted)
{
    skip_blanks(r);
    if (r->at == r->end || *r->at != wanted) {
        return 0;
    }
    r->at++;
    return 1;
}

static int read_text(reader *r, hf_text *text)
{
    if (!read_char(r, '"')) {
        return 0;
    }
    text->at = r->at;
    while (r->at < r->end && *r->at >= 0x20 && *r->at < 0x7f && *r->at != '\\' && *r->at != '"') {
        r->at++;
    }
    text->size = (size_t)(r->at - text->at);
    return r->at < r->end && *r->at++ == '"';
}

static int is(const hf_text *text, const char *word)
{
    return text->size == strlen(word) && memcmp(text->at, word, text->size) == 0;
}

static int read_id(reader *r, hf_text *id)
{
    skip_blanks(r);
    if (r->at == r->end) {
        return 0;
    }
    const uint8_t *start = r->at;
    if (*start == '"') {
        if (!read_text(r, id)) {
            return 0;
        }
    } else {
        while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
            r->at++;
        }
        size_t digits = (size_t)(r->at - start);
        if (digits == 0 || digits > DIGITS || (digits > 1 && *start == '0')) {
            return 0;
        }
    }
    id->at = start;
    id->size = (size_t)(r->at - start);
    return id->size <= HF_MAX_ID;
}

static int read_params(reader *r, hf_submit *submit)
{
    hf_text *fields[PARAMS] = {&submit->name,  &submit->job,   &submit->extranonce,
                               &submit->ntime, &submit->nonce, &submit->bits};
    submit->bits.at = NULL;
    submit->bits.size = 0;
    if (!read_char(r, '[')) {
        return 0;
    }
    for (int i = 0; i < PARAMS; i++) {
        if (!read_text(r, fields[i])) {
            return 0;
        }
        if (read_char(r, ']')) {
            return i + 1 >= PARAMS_NEEDED;
        }
        if (!read_char(r, ',')) {
            return 0;
        }
    }
    return 0;
}

/* Read a member of the object; NONE when it is not plain. */
static unsigned read_member(reader *r, hf_submit *submit)
{
    hf_text key, method;
    if (!read_text(r, &key) || !read_char(r, ':')) {
        return NONE;
    }
    if (is(&key, "id")) {
        return read_id(r, &submit->id) ? ID : NONE;
    }
    if (is(&key, "params")) {
        return read_params(r, submit) ? PARAMS_LIST : NONE;
    }
    int plain = is(&key, "method") && read_text(r, &method) && is(&method, "mining.submit");
    return plain ? METHOD : NONE;
}

int hf_read_submit(hf_submit *submit, const uint8_t *line, size_t size)
{
    reader r = {line, line + size};
    unsigned seen = NONE;
    if (!read_char(&r, '{')) {
        return 0;
    }
    do {
        unsigned member = read_member(&r, submit);
        if (member == NONE || (seen & member)) {
            return 0;
        }
        seen |= member;
    } while (read_char(&r, ','));
    if (seen != ALL || !read_char(&r, '}')) {
        return 0;
    }
    skip_blanks(&r);
    return r.at == r.end;
}

static unsigned digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - (unsigned)'0';
    }
    c |= 0x20; /* lower case */
    return c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10 : 16;
}

int hf_read_hex(uint8_t *bytes, const uint8_t *digits, size_t size)
{
    unsigned bad = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned high = digit(digits[2 * i]), low = digit(digits[2 * i + 1]);
        bad |= high | low;
        bytes[i] = (uint8_t)(high << 4 | (low & 15));
    }
    return bad < 16;
}
