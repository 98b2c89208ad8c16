/*
 * SHA-256d kernels: raw bytes in, nonces out. The whole C interface.
 *
 * Nothing is kept between calls, nothing is allocated, no pointer outlives its call, and
 * every function may run in any number of threads at once. Pointers need no alignment.
 * The declarations below are read by native/build.py, which drops the lines that begin
 * with '#'; so they use nothing but plain C.
 */
#ifndef HEADFRAME_H
#define HEADFRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    HF_MAX_HITS = 64,  /* a scan returns early rather than find more */
    HF_MAX_HEADS = 16, /* headers scanned side by side in one call */
    HF_OK = 0,
    HF_BAD_KERNEL = 1,  /* no such kernel or hasher, or this CPU cannot run it */
    HF_BAD_RANGE = 2,   /* first + count passes 2^32 */
    HF_BAD_HEADS = 3,   /* no head, or more than HF_MAX_HEADS */
    HF_BAD_CONTEXT = 4  /* not what the layout below says */
};

/* A header whose hash, read as a little-endian number, is at most the target. */
typedef struct {
    uint32_t head;  /* which of the heads */
    uint32_t nonce; /* as the number in the header */
} hf_hit;

/*
 * What a scan found. `hits` is complete for the nonces from `first` up to, not including,
 * `next`; nothing is said about nonces from `next` on.
 */
typedef struct {
    uint64_t next;
    uint32_t hit_count;
    hf_hit hits[64]; /* HF_MAX_HITS */
} hf_found;

/* Kernels are numbered 0 .. hf_kernel_count() - 1, most preferred first. */
uint32_t hf_kernel_count(void);
/* Its name, a constant; NULL when there is no such kernel. */
const char *hf_kernel_name(uint32_t kernel);
/* Nonces it hashes at once; 0 when there is no such kernel. */
uint32_t hf_kernel_lanes(uint32_t kernel);
/* Heads it hashes at once; 0 when there is no such kernel. */
uint32_t hf_kernel_versions(uint32_t kernel);
/* 1 when this CPU and operating system can run it, else 0. Asks the CPU at each call. */
int hf_kernel_usable(uint32_t kernel);

/*
 * Search nonces first .. first + count - 1 of one or several headers.
 *
 * Out:  found       what there is; complete up to found->next
 * In:   kernel      number of a usable kernel
 *       heads       head_count times the first 64 bytes of a header
 *       tail        the next 12 bytes of all these headers: end of root, time, bits
 *       target      32 bytes, little-endian number
 *       first,count the nonces; first + count is at most 2^32
 *       stop        the scan returns soon after this becomes non-zero
 * Returns HF_OK, HF_BAD_KERNEL, HF_BAD_RANGE or HF_BAD_HEADS.
 */
int hf_scan(hf_found *found, uint32_t kernel, const uint8_t *heads, uint32_t head_count,
            const uint8_t *tail, const uint8_t *target, uint64_t first, uint64_t count,
            const uint32_t *stop);

/* Hashers are the compressions behind hf_share_hash, most preferred first. */
uint32_t hf_hasher_count(void);
/* Its name, a constant; NULL when there is no such hasher. */
const char *hf_hasher_name(uint32_t hasher);
/* 1 when this CPU and operating system can run it, else 0. Asks the CPU at each call. */
int hf_hasher_usable(uint32_t hasher);

/*
 * Hash the header that a share stands for: coinbase, merkle path, header.
 *
 * The context is what the shares of a job have in common. All numbers little-endian:
 *   0  u32 size of prefix    4  u32 size of suffix    8  u32 hashes in path
 *   12 previous hash (32 bytes, header order)         44 u32 nbits
 *   48 prefix, suffix, path (32 bytes each, header order), and nothing after
 *
 * Out:  hash        32 bytes, header order
 * In:   hasher      number of a usable hasher; not checked again, since asking the CPU
 *                   costs more than hashing
 *       context     as above
 *       extranonce  what stands between prefix and suffix; any size
 * Returns HF_OK, HF_BAD_KERNEL (no such hasher) or HF_BAD_CONTEXT.
 */
int hf_share_hash(uint8_t *hash, uint32_t hasher, const uint8_t *context, size_t context_size,
                  const uint8_t *extranonce, size_t extranonce_size, uint32_t version,
                  uint32_t ntime, uint32_t nonce);

#endif
