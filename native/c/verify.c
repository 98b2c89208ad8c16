/*
 * One share in, its hash out: what a proxy does for every share it is sent. And a merkle path,
 * for every template.
 */
#include <string.h>

#include "internal.h"

/* A message being hashed. */
typedef struct {
    hf_compress_fn *compress;
    uint32_t state[8];
    uint8_t block[64]; /* the bytes that do not fill a block yet */
    uint64_t size;     /* bytes so far */
} message;

static void message_start(message *m, hf_compress_fn *compress)
{
    m->compress = compress;
    memcpy(m->state, hf_iv, sizeof m->state);
    m->size = 0;
}

static void message_add(message *m, const uint8_t *data, size_t size)
{
    size_t waiting = (size_t)(m->size % 64);
    if (size == 0) {
        return; /* and `data` may be NULL */
    }
    m->size += size;
    if (waiting > 0) {
        size_t room = 64 - waiting;
        size_t taken = size < room ? size : room;
        memcpy(m->block + waiting, data, taken);
        if (size < room) {
            return;
        }
        m->compress(m->state, m->block, 1);
        data += taken;
        size -= taken;
    }
    m->compress(m->state, data, size / 64);
    memcpy(m->block, data + size / 64 * 64, size % 64);
}

static void message_end(uint8_t hash[32], message *m)
{
    uint8_t last[128] = {0};
    size_t waiting = (size_t)(m->size % 64);
    size_t blocks = waiting < 56 ? 1 : 2;
    uint64_t bits = m->size * 8;
    memcpy(last, m->block, waiting);
    last[waiting] = 0x80;
    hf_store_be(last + 64 * blocks - 8, (uint32_t)(bits >> 32));
    hf_store_be(last + 64 * blocks - 4, (uint32_t)bits);
    m->compress(m->state, last, blocks);
    for (unsigned i = 0; i < 8; i++) {
        hf_store_be(hash + 4 * i, m->state[i]);
    }
}

/* The second of the two hashes of SHA-256d. */
static void message_end_twice(uint8_t hash[32], message *m)
{
    uint8_t once[32];
    message_end(once, m);
    message_start(m, m->compress);
    message_add(m, once, sizeof once);
    message_end(hash, m);
}

/* A context, taken apart; see headframe.h. */
typedef struct {
    const uint8_t *prefix, *suffix, *path, *prev_hash;
    uint32_t prefix_size, suffix_size, path_count, nbits;
} context_parts;

static int read_context(context_parts *parts, const uint8_t *context, size_t size)
{
    if (size < 48) {
        return 0;
    }
    parts->prefix_size = hf_load_le(context);
    parts->suffix_size = hf_load_le(context + 4);
    parts->path_count = hf_load_le(context + 8);
    parts->prev_hash = context + 12;
    parts->nbits = hf_load_le(context + 44);
    uint64_t told = (uint64_t)parts->prefix_size + parts->suffix_size
                    + 32 * (uint64_t)parts->path_count;
    if (told != (uint64_t)size - 48) {
        return 0;
    }
    parts->prefix = context + 48;
    parts->suffix = parts->prefix + parts->prefix_size;
    parts->path = parts->suffix + parts->suffix_size;
    return 1;
}

int hf_share_hash(uint8_t *hash, uint32_t hasher, const uint8_t *context, size_t context_size,
                  const uint8_t *extranonce, size_t extranonce_size, uint32_t version,
                  uint32_t ntime, uint32_t nonce)
{
    const hf_hasher *row = hf_hasher_at(hasher);
    context_parts parts;
    message m;
    uint8_t root[32];
    uint8_t numbers[12];
    if (!row) {
        return HF_BAD_KERNEL;
    }
    if (!read_context(&parts, context, context_size)) {
        return HF_BAD_CONTEXT;
    }
    message_start(&m, row->compress);
    message_add(&m, parts.prefix, parts.prefix_size);
    message_add(&m, extranonce, extranonce_size);
    message_add(&m, parts.suffix, parts.suffix_size);
    message_end_twice(root, &m);
    for (uint32_t i = 0; i < parts.path_count; i++) {
        message_start(&m, row->compress);
        message_add(&m, root, sizeof root);
        message_add(&m, parts.path + 32 * (size_t)i, 32);
        message_end_twice(root, &m);
    }
    message_start(&m, row->compress);
    hf_store_le(numbers, version);
    message_add(&m, numbers, 4);
    message_add(&m, parts.prev_hash, 32);
    message_add(&m, root, sizeof root);
    hf_store_le(numbers, ntime);
    hf_store_le(numbers + 4, parts.nbits);
    hf_store_le(numbers + 8, nonce);
    message_add(&m, numbers, 12);
    message_end_twice(hash, &m);
    return HF_OK;
}

/* SHA-256d of two messages of 64 bytes; the hashes may go where the messages begin. */
static void hash_two(uint8_t *hashes, const uint8_t *messages, hf_compress_two_fn *compress_two)
{
    static const uint8_t end[64] = {[0] = 0x80, [62] = 2}; /* of a message of 512 bits */
    uint8_t once[2][64] = {{[32] = 0x80, [62] = 1}, {[32] = 0x80, [62] = 1}}; /* of 256 */
    const uint8_t *const blocks[3][2] = {
        {messages, messages + 64}, {end, end}, {once[0], once[1]}};
    uint32_t states[2][8];
    for (unsigned step = 0; step < 3; step++) {
        if (step != 1) {
            memcpy(states[0], hf_iv, sizeof states[0]);
            memcpy(states[1], hf_iv, sizeof states[1]);
        }
        compress_two(states, blocks[step]);
        for (unsigned i = 0; i < 8 && step > 0; i++) {
            hf_store_be((step == 1 ? once[0] : hashes) + 4 * (size_t)i, states[0][i]);
            hf_store_be((step == 1 ? once[1] : hashes + 32) + 4 * (size_t)i, states[1][i]);
        }
    }
}

uint32_t hf_leaf_path(uint8_t *path, uint32_t hasher, uint8_t *row, uint32_t count)
{
    const hf_hasher *kind = hf_hasher_at(hasher);
    uint32_t steps = 0;
    message m;
    while (kind && count > 0) {
        memcpy(path + 32 * (size_t)steps, row, 32);
        steps++;
        if (count % 2 == 0) { /* odd with the first leaf: the last one is paired with itself */
            memcpy(row + 32 * (size_t)count, row + 32 * ((size_t)count - 1), 32);
        }
        count /= 2;
        size_t i = 0;
        for (; kind->compress_two && i + 1 < count; i += 2) {
            hash_two(row + 32 * i, row + 32 + 64 * i, kind->compress_two);
        }
        for (; i < count; i++) {
            message_start(&m, kind->compress);
            message_add(&m, row + 32 + 64 * i, 64);
            message_end_twice(row + 32 * i, &m);
        }
    }
    return steps;
}
