/*
 * Lets another program use the kernels of this one, so that tests reach those of a CPU that
 * is only emulated (tests/fakes/armkernel.py).
 *
 *   serve         writes the tables, a line for each row: kernel or hasher, number, name,
 *                 1 if usable, and of kernels lanes and versions
 *   serve FILE    answers requests until its input ends; scans stop when the 32-bit word at
 *                 the start of FILE is not zero. FILE is shared memory.
 *
 * Requests and answers begin with a 32-bit number, the bytes that follow. All numbers are
 * as in memory, packed one after another:
 *   scan:   u32 0, kernel, head_count, u64 first, count, heads, tail, target
 *           u32 code, hit_count, u64 next, hits as u32 head, nonce
 *   hash:   u32 1, hasher, context_size, version, ntime, nonce, context, extranonce
 *           u32 code, hash
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "headframe.h"

enum { SCAN = 0, SCAN_START = 28, HASH_START = 24 };

static void fail(const char *what)
{
    fprintf(stderr, "serve: %s\n", what);
    exit(2);
}

static void ensure(int truth, const char *what)
{
    if (!truth) {
        fail(what);
    }
}

static void list(void)
{
    for (uint32_t i = 0; i < hf_kernel_count(); i++) {
        printf("kernel %u %s %d %u %u\n", i, hf_kernel_name(i), hf_kernel_usable(i),
               hf_kernel_lanes(i), hf_kernel_versions(i));
    }
    for (uint32_t i = 0; i < hf_hasher_count(); i++) {
        printf("hasher %u %s %d\n", i, hf_hasher_name(i), hf_hasher_usable(i));
    }
}

static void *take(uint32_t size)
{
    void *bytes = malloc(size);
    ensure(bytes != NULL, "out of memory");
    return bytes;
}

static void put(const void *bytes, size_t size)
{
    ensure(fwrite(bytes, 1, size, stdout) == size, "cannot write");
}

static void scan(const uint8_t *request, size_t size, const uint32_t *stop)
{
    uint32_t numbers[3];
    uint64_t range[2];
    hf_found found = {0};
    ensure(size >= SCAN_START, "a scan is cut off");
    memcpy(numbers, request, sizeof numbers);
    memcpy(range, request + sizeof numbers, sizeof range);
    uint64_t heads_size = 64 * (uint64_t)numbers[2];
    ensure(size == SCAN_START + heads_size + 12 + 32, "a scan has the wrong size");
    const uint8_t *heads = request + SCAN_START;
    const uint8_t *tail = heads + heads_size;
    int code = hf_scan(&found, numbers[1], heads, numbers[2], tail, tail + 12, range[0], range[1],
                       stop);
    uint32_t hits_size = found.hit_count * (uint32_t)sizeof found.hits[0];
    uint32_t answer[3] = {16 + hits_size, (uint32_t)code, found.hit_count};
    put(answer, sizeof answer);
    put(&found.next, sizeof found.next);
    put(found.hits, hits_size);
}

static void hash(const uint8_t *request, size_t size)
{
    uint32_t numbers[6];
    struct {
        uint32_t size, code;
        uint8_t hash[32];
    } answer = {36, 0, {0}};
    ensure(size >= HASH_START, "a share is cut off");
    memcpy(numbers, request, sizeof numbers);
    ensure(numbers[2] <= size - HASH_START, "a context is cut off");
    const uint8_t *context = request + HASH_START;
    size_t context_size = numbers[2];
    answer.code = (uint32_t)hf_share_hash(answer.hash, numbers[1], context, context_size,
                                          context + context_size, size - HASH_START - context_size,
                                          numbers[3], numbers[4], numbers[5]);
    put(&answer, sizeof answer);
}

static const uint32_t *share_word(const char *path)
{
    int file = open(path, O_RDONLY);
    ensure(file >= 0, "cannot open the file of the stop word");
    void *word = mmap(NULL, sizeof(uint32_t), PROT_READ, MAP_SHARED, file, 0);
    ensure(word != MAP_FAILED, "cannot map the file of the stop word");
    return word;
}

int main(int argument_count, char **arguments)
{
    uint32_t size;
    if (argument_count < 2) {
        list();
        return 0;
    }
    const uint32_t *stop = share_word(arguments[1]);
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        /* The byte in front puts everything at odd addresses. */
        uint8_t *whole = take(size + 1);
        uint8_t *request = whole + 1;
        uint32_t kind;
        ensure(size >= sizeof kind && fread(request, 1, size, stdin) == size, "cut off");
        memcpy(&kind, request, sizeof kind);
        if (kind == SCAN) {
            scan(request, size, stop);
        } else {
            hash(request, size);
        }
        ensure(fflush(stdout) == 0, "cannot write");
        free(whole);
    }
    return 0;
}
