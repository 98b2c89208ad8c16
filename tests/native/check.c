/*
 * Compares every kernel and hasher that this machine can run with the portable ones, and
 * holds tables and sending against what they should do, for builds with sanitizers (scripts/native-check). Reads nothing, needs nothing; inputs are
 * made up, always the same, at every alignment, in blocks of exactly their size so that a
 * read past an end is seen. Exits with 1 at the first difference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "headframe.h"

enum { SCANS = 400, SHARES = 400 };
static const uint64_t NONCES = (uint64_t)1 << 32;

static uint64_t seed = 88172645463325252u;

static uint32_t random_word(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

static uint32_t random_below(uint32_t limit)
{
    return random_word() % limit;
}

static void ensure(int truth, const char *what, const char *who)
{
    if (!truth) {
        printf("%s: %s\n", who, what);
        exit(1);
    }
}

/* Memory of exactly `size` bytes, ending where the allocation ends, at any alignment. */
typedef struct {
    uint8_t *whole;
    uint8_t *bytes;
} piece;

static piece make_piece(size_t size)
{
    size_t shift = random_below(17);
    piece p;
    p.whole = malloc(size + shift + 1);
    ensure(p.whole != NULL, "out of memory", "check");
    /* One byte more in front, so that an empty piece is no allocation of size zero. */
    p.bytes = p.whole + shift + 1;
    for (size_t i = 0; i < size; i++) {
        p.bytes[i] = (uint8_t)random_word();
    }
    return p;
}

typedef struct {
    piece heads, tail, target;
    uint32_t head_count;
    uint64_t first, count;
} request;

static request make_request(unsigned number)
{
    static const uint32_t tops[] = {0, 1, 0xff, 0xffff, 0x7fffff, 0x7fffffff, 0x80000000, 0xffffffff};
    request r;
    r.head_count = 1 + random_below(number % 3 == 0 ? HF_MAX_HEADS : 4);
    r.heads = make_piece(64 * (size_t)r.head_count);
    r.tail = make_piece(12);
    r.target = make_piece(32);
    uint32_t top = tops[random_below(8)];
    if (top == 0xffffffff) {
        memset(r.target.bytes, 0xff, 32);
    }
    for (unsigned i = 0; i < 4; i++) {
        r.target.bytes[28 + i] = (uint8_t)(top >> (8 * i));
    }
    r.count = random_below(400);
    switch (number % 4) {
    case 0:
        r.first = NONCES - r.count; /* up to the last nonce */
        break;
    case 1:
        r.first = random_below(600);
        break;
    default:
        r.first = random_word() % (NONCES - r.count);
    }
    return r;
}

static void free_request(request *r)
{
    free(r->heads.whole);
    free(r->tail.whole);
    free(r->target.whole);
}

static int scan_with(hf_found *found, uint32_t kernel, const request *r, uint64_t first)
{
    static const uint32_t go = 0;
    return hf_scan(found, kernel, r->heads.bytes, r->head_count, r->tail.bytes, r->target.bytes,
                   first, r->first + r->count - first, &go);
}

/* All hits of a request as one number that depends on every one of them, not on the order. */
static uint64_t digest_of(uint32_t kernel, const request *r)
{
    const char *name = hf_kernel_name(kernel);
    hf_found *found = malloc(sizeof *found);
    uint64_t at = r->first;
    uint64_t digest = 0;
    ensure(found != NULL, "out of memory", "check");
    do {
        ensure(scan_with(found, kernel, r, at) == HF_OK, "refused a good request", name);
        ensure(found->next > at || r->count == 0, "made no progress", name);
        ensure(found->hit_count <= HF_MAX_HITS, "found more than there is room for", name);
        for (uint32_t i = 0; i < found->hit_count; i++) {
            hf_hit hit = found->hits[i];
            ensure(hit.nonce >= at && hit.nonce < found->next, "hit out of range", name);
            ensure(hit.head < r->head_count, "hit of no head", name);
            uint64_t key = ((uint64_t)hit.head << 32 | hit.nonce) + 1;
            digest += key * 0x9e3779b97f4a7c15u ^ key >> 7;
        }
        at = found->next;
    } while (at < r->first + r->count);
    free(found);
    return digest;
}

/* Every kernel against the portable one, whose answer to each request is worked out once. */
static void check_scans(uint32_t portable)
{
    for (unsigned number = 0; number < SCANS; number++) {
        request r = make_request(number);
        uint64_t wanted = digest_of(portable, &r);
        for (uint32_t kernel = 0; kernel < portable; kernel++) {
            if (hf_kernel_usable(kernel)) {
                ensure(digest_of(kernel, &r) == wanted, "differs from portable",
                       hf_kernel_name(kernel));
            }
        }
        free_request(&r);
    }
}

/* The genesis block of the main chain: its nonce is the only one near it. */
static void check_genesis(uint32_t kernel)
{
    static const uint8_t root_time_bits[] = {
        0x3b, 0xa3, 0xed, 0xfd, 0x7a, 0x7b, 0x12, 0xb2, 0x7a, 0xc7, 0x2c, 0x3e, 0x67, 0x76,
        0x8f, 0x61, 0x7f, 0xc8, 0x1b, 0xc3, 0x88, 0x8a, 0x51, 0x32, 0x3a, 0x9f, 0xb8, 0xaa,
        0x4b, 0x1e, 0x5e, 0x4a, 0x29, 0xab, 0x5f, 0x49, 0xff, 0xff, 0x00, 0x1d};
    const uint32_t nonce = 2083236893;
    const uint32_t go = 0;
    const char *name = hf_kernel_name(kernel);
    uint8_t header[76] = {1};
    uint8_t target[32] = {0};
    hf_found found;
    memcpy(header + 36, root_time_bits, sizeof root_time_bits);
    target[26] = 0xff;
    target[27] = 0xff;
    for (uint32_t offset = 0; offset < 40; offset++) {
        hf_scan(&found, kernel, header, 1, header + 64, target, nonce - offset, 1000, &go);
        ensure(found.hit_count == 1 && found.hits[0].nonce == nonce, "misses block 0", name);
        ensure(found.next == (uint64_t)nonce - offset + 1000, "stops early", name);
    }
}

static void check_refusals(uint32_t kernel)
{
    const char *name = hf_kernel_name(kernel);
    const uint32_t go = 0;
    const uint32_t stop = 1;
    uint8_t bytes[76] = {0};
    uint8_t target[32] = {0};
    hf_found found;
    ensure(hf_scan(&found, kernel, bytes, 0, bytes, target, 0, 1, &go) == HF_BAD_HEADS,
           "takes no head", name);
    ensure(hf_scan(&found, kernel, bytes, 17, bytes, target, 0, 1, &go) == HF_BAD_HEADS,
           "takes 17 heads", name);
    ensure(hf_scan(&found, kernel, bytes, 1, bytes, target, NONCES, 1, &go) == HF_BAD_RANGE,
           "takes nonce 2^32", name);
    ensure(hf_scan(&found, kernel, bytes, 1, bytes, target, 2, UINT64_MAX, &go) == HF_BAD_RANGE,
           "takes a range that wraps", name);
    ensure(hf_scan(&found, hf_kernel_count(), bytes, 1, bytes, target, 0, 1, &go) == HF_BAD_KERNEL,
           "a kernel that does not exist runs", name);
    ensure(hf_scan(&found, kernel, bytes, 1, bytes, target, 7, 1000, &stop) == HF_OK
               && found.next == 7 && found.hit_count == 0,
           "goes on though told to stop", name);
}

static void put_u32(uint8_t *p, uint32_t number)
{
    for (unsigned i = 0; i < 4; i++) {
        p[i] = (uint8_t)(number >> (8 * i));
    }
}

static void check_shares(uint32_t hasher, uint32_t portable)
{
    const char *name = hf_hasher_name(hasher);
    for (unsigned number = 0; number < SHARES; number++) {
        uint32_t prefix = random_below(200);
        uint32_t suffix = random_below(200);
        uint32_t path = random_below(15);
        size_t size = 48 + prefix + suffix + 32 * (size_t)path;
        size_t extranonce_size = random_below(65);
        piece context = make_piece(size);
        piece extranonce = make_piece(extranonce_size);
        uint8_t wanted[32];
        uint8_t hash[32];
        put_u32(context.bytes, prefix);
        put_u32(context.bytes + 4, suffix);
        put_u32(context.bytes + 8, path);
        for (uint32_t i = 0; i < 2; i++) {
            int code = hf_share_hash(i ? hash : wanted, i ? hasher : portable, context.bytes, size,
                                     extranonce.bytes, extranonce_size, number, ~number, 5);
            ensure(code == HF_OK, "refused a good context", name);
        }
        ensure(memcmp(hash, wanted, 32) == 0, "differs from portable", name);
        put_u32(context.bytes + 4 * (size_t)random_below(3), random_word());
        (void)hf_share_hash(hash, hasher, context.bytes, size, extranonce.bytes, extranonce_size, 0,
                            0, 0); /* junk: any answer, but no crash */
        free(context.whole);
        free(extranonce.whole);
    }
    static const uint32_t wraps[][3] = {
        {0, 0, 1U << 27}, {UINT32_MAX, 1, 0}, {1, UINT32_MAX, 0}, {UINT32_MAX, UINT32_MAX, UINT32_MAX}};
    for (unsigned i = 0; i < 4; i++) { /* sizes that sum up only modulo 2^32 */
        piece context = make_piece(48);
        uint8_t hash[32];
        for (unsigned part = 0; part < 3; part++) {
            put_u32(context.bytes + 4 * (size_t)part, wraps[i][part]);
        }
        ensure(hf_share_hash(hash, hasher, context.bytes, 48, NULL, 0, 0, 0, 0) == HF_BAD_CONTEXT,
               "takes sizes that overflow", name);
        free(context.whole);
    }
    for (size_t size = 0; size < 48; size++) {
        piece context = make_piece(size);
        uint8_t hash[32];
        ensure(hf_share_hash(hash, hasher, context.bytes, size, NULL, 0, 0, 0, 0) == HF_BAD_CONTEXT,
               "takes a context that is too short", name);
        free(context.whole);
    }
}

/* Merkle paths of trees of every small size, each hasher against the portable one. */
static void check_paths(uint32_t hasher, uint32_t portable)
{
    const char *name = hf_hasher_name(hasher);
    for (uint32_t count = 0; count <= 70; count++) {
        piece ours = make_piece(32 * ((size_t)count + 1)); /* the last is the room for one more */
        piece theirs = make_piece(32 * ((size_t)count + 1));
        uint8_t path[2][32 * 7];
        uint32_t steps = 0;
        memcpy(theirs.bytes, ours.bytes, 32 * ((size_t)count + 1));
        while (1U << steps < count + 1) {
            steps++;
        }
        ensure(hf_leaf_path(path[0], hasher, ours.bytes, count) == steps, "path's length", name);
        ensure(hf_leaf_path(path[1], portable, theirs.bytes, count) == steps, "path's length", name);
        ensure(memcmp(path[0], path[1], 32 * (size_t)steps) == 0, "path differs", name);
        free(ours.whole);
        free(theirs.whole);
    }
    ensure(hf_leaf_path(NULL, hf_hasher_count(), NULL, 5) == 0, "a path by no hasher", name);
}

/* Tables of every small size, filled to the last slot, against a plain list. */
static void check_tables(void)
{
    for (uint32_t bits = 1; bits <= 8; bits++) {
        uint64_t size = (uint64_t)1 << bits;
        uint64_t salt = (uint64_t)random_word() << 32 | random_word();
        uint64_t *slots = calloc(size, sizeof *slots);
        uint64_t *twice = calloc(2 * size, sizeof *twice);
        uint64_t *list = calloc(size, sizeof *list);
        ensure(slots && twice && list, "out of memory", "check");
        for (uint64_t i = 0; i < size; i++) {
            /* ends of the range, and numbers that lie close together without a salt */
            list[i] = i == 0 ? UINT64_MAX : i == 1 ? 0 : i % 2 ? i : (uint64_t)random_word() << 32 | i;
            ensure(!hf_table_has(slots, bits, salt, list[i]), "has what was not put in", "table");
            ensure(hf_table_add(slots, bits, salt, list[i]) == HF_ADDED, "does not add", "table");
            for (uint64_t j = 0; j <= i; j++) {
                ensure(hf_table_has(slots, bits, salt, list[j]), "lost a number", "table");
                ensure(hf_table_add(slots, bits, salt, list[j]) == HF_KNOWN, "adds twice", "table");
            }
        }
        ensure(!hf_table_has(slots, bits, salt, 1U << 31), "has too much when full", "table");
        ensure(hf_table_add(slots, bits, salt, 1U << 31) == HF_NO_ROOM, "overflows", "table");
        ensure(hf_table_copy(twice, bits + 1, slots, bits, salt) == HF_ADDED, "no copy", "table");
        for (uint64_t i = 0; i < size; i++) {
            ensure(hf_table_has(twice, bits + 1, salt, list[i]), "copy lacks a number", "table");
        }
        ensure(hf_table_add(twice, bits + 1, salt, 1U << 31) == HF_ADDED, "copy is full", "table");
        ensure(hf_table_copy(slots, bits, twice, bits + 1, salt) == HF_NO_ROOM, "copies too much",
               "table");
        free(slots);
        free(twice);
        free(list);
    }
}

/* A line to sockets of which some are full, gone, or none at all. */
static void check_sending(void)
{
    enum { PAIRS = 8, FULL = 2, GONE = 5, SIZE = 1000 };
    int32_t ours[PAIRS + 1];
    int theirs[PAIRS];
    uint32_t taken[PAIRS + 1], next = 0;
    uint8_t *data = malloc(SIZE), got[2 * SIZE]; /* from the heap: reading beyond it is seen */
    ensure(data != NULL, "out of memory", "check");
    memset(data, 7, SIZE);
    for (int i = 0; i < PAIRS; i++) {
        int pair[2];
        ensure(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "no sockets", "check");
        ours[i] = pair[0];
        theirs[i] = pair[1];
    }
    ours[PAIRS] = -1;
    while (hf_send_all(taken, &next, &ours[FULL], 1, data, SIZE) == 1) {
        next = 0;
        ensure(taken[0] == SIZE, "did not take all", "send");
    }
    next = 0;
    ensure(hf_send_all(taken, &next, &ours[FULL], 1, data, SIZE) == 0 && taken[0] == 0,
           "took more", "send");
    close(theirs[GONE]);
    next = 0;
    ensure(hf_send_all(taken, &next, ours, PAIRS + 1, data, SIZE) == PAIRS - 2, "counts wrong",
           "send");
    ensure(hf_send_all(taken, &next, ours, PAIRS + 1, data, SIZE) == 0, "sends twice", "send");
    for (int i = 0; i < PAIRS; i++) {
        int good = i != FULL && i != GONE;
        ensure(taken[i] == (good ? SIZE : 0), "says wrongly who took it", "send");
        if (good) {
            ensure(recv(theirs[i], got, sizeof got, 0) == SIZE, "sent something else", "send");
            ensure(memcmp(got, data, SIZE) == 0, "sent other bytes", "send");
        }
        close(ours[i]);
        if (i != GONE) {
            close(theirs[i]);
        }
    }
    ensure(taken[PAIRS] == 0, "sent to nobody", "send");
    next = 0;
    ensure(hf_send_all(taken, &next, ours, 0, data, SIZE) == 0, "sent to none", "send");
    free(data);
}

/* A line that the judge takes, or (for some numbers) leaves; its size. */
static size_t write_line(char *to, size_t room, uint32_t number, uint32_t nonce)
{
    const char *bits = number % 8 < 4 ? "" : ", \"00002000\"";
    int size = snprintf(to, room,
                        "{\"id\":%u,\"method\": \"mining.submit\",\"params\":[\"w\",\"j\","
                        "\"00ffAA11\",\"00000064\",\"%08x\"%s]}\n",
                        number, nonce, bits);
    ensure(size > 0 && (size_t)size < room, "a line is too long", "check");
    return (size_t)size;
}

/* Lines in blocks of exactly their size, whole, cut anywhere, and with a byte changed. */
static void check_judge(uint32_t hasher)
{
    const char *name = hf_hasher_name(hasher);
    static const uint8_t rig[] = {2, 4, 1, 0, 0xab, 0xcd, 1, 0, 'w'};
    uint8_t context[48 + 10] = {4, 0, 0, 0, 6};
    static uint64_t slots[1 << 12];
    hf_table table = {slots, 12345, 0, 3 << 10, 12, 100};
    hf_proofs proofs = {0, 0, 1000, 0, 100, {NULL}};
    hf_task task = {context, sizeof context, 0, "j", 1, 0x20000000, 0x1fffe000, 50, 150,
                    {0}, {0}, {0}, NULL};
    static hf_taken taken;
    memset(slots, 0, sizeof slots);
    memset(task.target, 255, sizeof task.target);
    proofs.tables[100] = &table;
    task.proofs = &proofs;
    task.hasher = hasher;
    for (uint32_t number = 0; number < SHARES; number++) {
        char text[512];
        size_t first = write_line(text, sizeof text, number, 2 * number);
        size_t size = first + write_line(text + first, sizeof text - first, number, 2 * number + 1);
        size_t kept = number % 4 < 2 ? size : random_below((uint32_t)size + 1);
        piece data = make_piece(kept);
        memcpy(data.bytes, text, kept);
        if (number % 2 == 1 && kept > 0) {
            data.bytes[random_below((uint32_t)kept)] = (uint8_t)random_word();
        }
        ensure(hf_take_shares(&taken, &task, rig, sizeof rig, 200, data.bytes, kept) == HF_OK,
               "the judge refused a good rig", name);
        ensure(taken.next <= kept && taken.count <= 2, "the judge went too far", name);
        ensure(number % 4 != 0 || (taken.count == 2 && taken.next == size), "left good shares",
               name);
        if (number % 4 == 0) {
            (void)hf_take_shares(&taken, &task, rig, sizeof rig, 200, data.bytes, kept);
            ensure(taken.count == 0 && taken.stop == HF_NOT_PLAIN, "took a share twice", name);
        }
        free(data.whole);
    }
    ensure(proofs.past == table.count && proofs.ahead == 0, "counts differ", name);
}

int main(void)
{
    uint32_t portable = hf_kernel_count() - 1;
    uint32_t plain = hf_hasher_count() - 1;
    for (uint32_t kernel = 0; kernel <= portable; kernel++) {
        if (hf_kernel_usable(kernel)) {
            check_genesis(kernel);
            check_refusals(kernel);
            printf("%s ", hf_kernel_name(kernel));
        }
    }
    check_scans(portable);
    for (uint32_t hasher = 0; hasher <= plain; hasher++) {
        if (hf_hasher_usable(hasher)) {
            check_shares(hasher, plain);
            check_paths(hasher, plain);
            check_judge(hasher);
            printf("%s-hasher ", hf_hasher_name(hasher));
        }
    }
    check_tables();
    check_sending();
    printf("table send\n");
    return 0;
}
