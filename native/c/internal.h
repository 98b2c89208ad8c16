/* What the kernels, the driver and the registry share. Not seen from outside. */
#ifndef HEADFRAME_INTERNAL_H
#define HEADFRAME_INTERNAL_H

#include "headframe.h"

#if defined(__x86_64__) || defined(__i386__)
#define HF_X86 1
#else
#define HF_X86 0
#endif

/* 64-bit ARM with little-endian words in memory. NEON is part of its base set. */
#if defined(__aarch64__) && defined(__AARCH64EL__)
#define HF_ARM64 1
#else
#define HF_ARM64 0
#endif

/*
 * A file that needs more than the base instruction set opens a target region after its
 * includes and closes it at its end, so that no build system has to know about flags:
 *     HF_TARGET_BEGIN("sha,avx") ... HF_TARGET_END
 */
#define HF_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define HF_UNROLL _Pragma("unroll")
#define HF_ROLL _Pragma("nounroll")
#define HF_NOINLINE __attribute__((noinline))
#define HF_TARGET_BEGIN(features) \
    HF_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define HF_TARGET_END HF_PRAGMA(clang attribute pop)
#define HF_ARM_SHA2 "sha2"
/* Clang 14, for one, hides these intrinsics unless the whole file is compiled for them. */
#if HF_ARM64 && !defined(__ARM_FEATURE_SHA2)
#define __ARM_FEATURE_SHA2 1
#endif
#else
#define HF_UNROLL _Pragma("GCC unroll 16")
#define HF_ROLL _Pragma("GCC unroll 1")
#define HF_NOINLINE __attribute__((noinline, noclone)) /* nor copied for constant arguments */
#define HF_TARGET_BEGIN(features) HF_PRAGMA(GCC push_options) HF_PRAGMA(GCC target(features))
#define HF_TARGET_END HF_PRAGMA(GCC pop_options)
#define HF_ARM_SHA2 "+crypto" /* gcc 12 keeps its intrinsics from regions of +sha2 alone */
#endif

#define HF_INLINE static inline __attribute__((always_inline))

/* What a kernel may need of the CPU, as bits; the operating system's part included. */
enum { HF_CPU_SSE41 = 1, HF_CPU_SHA = 2, HF_CPU_AVX = 4, HF_CPU_AVX2 = 8, HF_CPU_AVX512 = 16 };
enum { HF_CPU_ARM_SHA2 = 1 << 16 };
uint32_t hf_cpu_features(void);

/* A header's part of a scan. */
typedef struct {
    uint32_t midstate[8]; /* after the first 64 bytes */
    /*
     * After rounds 0 to 3 of the second block with a nonce word of 0. The nonce is first
     * used in round 3, and only as an addend to the new a and e: add it to [0] and [4].
     */
    uint32_t hoisted[8];
} hf_head;

/* Everything of a scan that does not depend on the nonce. Words are big-endian reads. */
typedef struct {
    const hf_head *heads; /* as many as the kernel's versions */
    uint32_t tail[3];     /* words 0 to 2 of the second block; the nonce is word 3 */
    uint32_t word16, word17;
    uint32_t word18; /* add sigma0(nonce word) */
    uint32_t word19; /* add the nonce word */
    uint32_t zero_mask; /* a candidate's digest word 7 has none of these bits */
} hf_work;

/*
 * Search from nonce *at for the first step with a candidate: a nonce whose digest word 7
 * has no bit of `zero_mask`. A step is the kernel's lanes, one nonce after another.
 *
 * Returns 0 when there is none before `end`, with *at >= end. Otherwise *at is the first
 * nonce of the step, and bit (head * lanes + lane) is set for each candidate. Lanes past
 * `end`, or past nonce 2^32 - 1, may be set: the caller drops them.
 */
typedef uint64_t hf_search_fn(uint64_t *at, const hf_work *work, uint64_t end);

/* Run the compression over `count` blocks of 64 bytes. */
typedef void hf_compress_fn(uint32_t state[8], const uint8_t *blocks, size_t count);

/* Run it over two blocks of 64 bytes, each with a state of its own. */
typedef void hf_compress_two_fn(uint32_t states[2][8], const uint8_t *const blocks[2]);

typedef struct {
    const char *name;
    uint32_t lanes;    /* lanes * versions is at most 64 */
    uint32_t versions; /* heads hashed at once */
    uint32_t needs;    /* CPU features */
    hf_search_fn *search;
} hf_kernel;

typedef struct {
    const char *name;
    uint32_t needs;
    hf_compress_fn *compress;
    hf_compress_two_fn *compress_two; /* NULL where two at once take as long as two in turn */
} hf_hasher;

/* NULL when there is no such row. */
const hf_kernel *hf_kernel_at(uint32_t kernel);
const hf_hasher *hf_hasher_at(uint32_t hasher);

extern const uint32_t hf_k[64];
extern const uint32_t hf_iv[8];

hf_compress_fn hf_compress_portable;
hf_search_fn hf_search_portable;
#if HF_X86
hf_compress_fn hf_compress_shani, hf_compress_shani_sse;
hf_compress_two_fn hf_compress_two_shani, hf_compress_two_shani_sse;
hf_search_fn hf_search_sse41, hf_search_sse41_versions;
hf_search_fn hf_search_avx2, hf_search_avx2_versions;
hf_search_fn hf_search_avx512, hf_search_avx512_versions;
hf_search_fn hf_search_shani, hf_search_shani_sse, hf_search_shani_versions;
#endif
#if HF_ARM64
hf_compress_fn hf_compress_armv8;
hf_search_fn hf_search_armv8;
hf_search_fn hf_search_neon, hf_search_neon_versions;
#endif

HF_INLINE uint32_t hf_load_be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

HF_INLINE uint32_t hf_load_le(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

HF_INLINE void hf_store_be(uint8_t *p, uint32_t word)
{
    p[0] = (uint8_t)(word >> 24);
    p[1] = (uint8_t)(word >> 16);
    p[2] = (uint8_t)(word >> 8);
    p[3] = (uint8_t)word;
}

HF_INLINE void hf_store_le(uint8_t *p, uint32_t word)
{
    p[0] = (uint8_t)word;
    p[1] = (uint8_t)(word >> 8);
    p[2] = (uint8_t)(word >> 16);
    p[3] = (uint8_t)(word >> 24);
}

HF_INLINE uint32_t hf_swap(uint32_t word)
{
    return word >> 24 | (word >> 8 & 0xff00) | (word << 8 & 0xff0000) | word << 24;
}

/* The functions of FIPS 180-4, section 4.1.2. */
HF_INLINE uint32_t hf_rotate(uint32_t word, unsigned count)
{
    return word >> count | word << (32 - count);
}

HF_INLINE uint32_t hf_sigma0(uint32_t word)
{
    return hf_rotate(word, 7) ^ hf_rotate(word, 18) ^ word >> 3;
}

HF_INLINE uint32_t hf_sigma1(uint32_t word)
{
    return hf_rotate(word, 17) ^ hf_rotate(word, 19) ^ word >> 10;
}

/* One round on eight words a .. h, in place; `wk` is message word plus round constant. */
HF_INLINE void hf_round(uint32_t s[8], uint32_t wk)
{
    uint32_t sum1 = hf_rotate(s[4], 6) ^ hf_rotate(s[4], 11) ^ hf_rotate(s[4], 25);
    uint32_t sum0 = hf_rotate(s[0], 2) ^ hf_rotate(s[0], 13) ^ hf_rotate(s[0], 22);
    uint32_t t1 = s[7] + sum1 + (s[6] ^ (s[4] & (s[5] ^ s[6]))) + wk;
    uint32_t t2 = sum0 + ((s[0] & s[1]) | (s[2] & (s[0] | s[1])));
    s[7] = s[6];
    s[6] = s[5];
    s[5] = s[4];
    s[4] = s[3] + t1;
    s[3] = s[2];
    s[2] = s[1];
    s[1] = s[0];
    s[0] = t1 + t2;
}

#endif
