/*
 * SHA-256 with the SHA2 instructions of ARMv8: a compression, and a search that interleaves
 * three nonces. Not yet run on real hardware, only in an emulated CPU.
 */
#include "internal.h"

#if HF_ARM64
#include <arm_neon.h>

HF_TARGET_BEGIN(HF_ARM_SHA2)

/* The state in natural order, lowest word first. */
typedef struct {
    uint32x4_t abcd, efgh;
} halves;

HF_INLINE halves load_state(const uint32_t state[8])
{
    return (halves){vld1q_u32(state), vld1q_u32(state + 4)};
}

HF_INLINE halves add_halves(halves x, halves y)
{
    return (halves){vaddq_u32(x.abcd, y.abcd), vaddq_u32(x.efgh, y.efgh)};
}

/* Four rounds; `wk` is four message words plus their constants. */
HF_INLINE halves four_rounds(halves s, uint32x4_t wk)
{
    return (halves){vsha256hq_u32(s.abcd, s.efgh, wk), vsha256h2q_u32(s.efgh, s.abcd, wk)};
}

/* The group of message words that follows on four consecutive ones. */
HF_INLINE uint32x4_t next_group(uint32x4_t w0, uint32x4_t w1, uint32x4_t w2, uint32x4_t w3)
{
    return vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3);
}

void hf_compress_armv8(uint32_t state[8], const uint8_t *blocks, size_t count)
{
    halves s = load_state(state);
    for (; count > 0; count--, blocks += 64) {
        const halves start = s;
        uint32x4_t w[4];
        HF_UNROLL for (int g = 0; g < 4; g++) {
            w[g] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(blocks + 16 * g)));
        }
        HF_UNROLL for (int g = 0; g < 16; g++) {
            s = four_rounds(s, vaddq_u32(w[g % 4], vld1q_u32(hf_k + 4 * g)));
            if (g < 12) {
                w[g % 4] = next_group(w[g % 4], w[(g + 1) % 4], w[(g + 2) % 4], w[(g + 3) % 4]);
            }
        }
        s = add_halves(s, start);
    }
    vst1q_u32(state, s.abcd);
    vst1q_u32(state + 4, s.efgh);
}

/*
 * The lanes of a search; loops over them are unrolled. In llvm-mca's models of large cores
 * two lanes leave a tenth of the time unused, and four no longer fit into the registers.
 */
enum { LANES = 3 };

/*
 * A group is four message words; group g of the first hash is words 4g to 4g + 3, of the
 * second 4g + 1 to 4g + 4, because there round 0 is done by addition and rounds 1 to 60 are
 * all that the last digest word needs. Slot g % 4 of `w` holds group g, later group g + 4.
 */
typedef struct {
    halves s;
    uint32x4_t w[4];
} lane;

/* Everything that is the same for all nonces. */
typedef struct {
    halves hoisted, midstate;
    halves second;                      /* second hash after round 0, first digest word 0 */
    uint32x4_t group1_k, group3_k;      /* constant groups of the first hash, K added */
    uint32x4_t group3;                  /* words 12 to 15 of the first hash */
    uint32x4_t group4_seed, group4_add; /* see first_hash */
    uint32x4_t group5_sum, group7_sum;  /* what su0 makes of constant groups */
    uint32x4_t pad1, pad3;              /* constant words of groups 1 and 3, second hash */
} constants;

HF_INLINE uint32x4_t words(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint32_t all[4] = {a, b, c, d};
    return vld1q_u32(all);
}

static void prepare(constants *c, const hf_work *work)
{
    uint32_t state[8];
    uint32_t seed1 = work->word17 - hf_sigma0(work->word18);
    c->hoisted = load_state(work->heads->hoisted);
    c->midstate = load_state(work->heads->midstate);
    c->group3 = words(0, 0, 0, 640);
    c->group1_k = vaddq_u32(vld1q_u32(hf_k + 4), words(0x80000000, 0, 0, 0));
    c->group3_k = vaddq_u32(vld1q_u32(hf_k + 12), c->group3);
    c->group4_seed = words(work->word16 - hf_sigma0(seed1), seed1, work->word18, 0);
    c->group4_add = words(0, 0, 0, work->word19);
    c->group5_sum = words(0x80000000, 0, 0, 0);
    c->group7_sum = words(0, 0, hf_sigma0(640), 640 + hf_sigma0(work->word16));
    for (unsigned i = 0; i < 8; i++) {
        state[i] = hf_iv[i];
    }
    hf_round(state, hf_k[0]);
    c->second = load_state(state);
    c->pad1 = words(0x80000000, 0, 0, 0);
    c->pad3 = words(0, 0, 0, 256);
}

/*
 * Rounds of groups 4 to `last`, and their message words from group 8 on. After the last
 * group only e is asked for, by the second hash: the compiler leaves the other half out.
 */
HF_INLINE void finish(lane l[LANES], const uint32_t *k, int last)
{
    HF_UNROLL for (int g = 4; g <= last; g++) {
        HF_UNROLL for (int i = 0; i < LANES; i++) {
            uint32x4_t *w = l[i].w;
            l[i].s = four_rounds(l[i].s, vaddq_u32(w[g % 4], vld1q_u32(k + 4 * g)));
            if (g + 4 <= last) {
                w[g % 4] = next_group(w[g % 4], w[(g + 1) % 4], w[(g + 2) % 4], w[(g + 3) % 4]);
            }
        }
    }
}

/* The first hash, from round 4; `nonce` is one to the lane, in word 0, the others zero. */
HF_INLINE void first_hash(lane l[LANES], const constants *c, const uint32x4_t nonce[LANES])
{
    const uint32x4_t zero = vdupq_n_u32(0);
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        l[i].s = add_halves(c->hoisted, (halves){nonce[i], nonce[i]});
        /* su0 adds to each word sigma0 of the next: word 18 gets that of the nonce word.
         * The seeds of words 16 and 17 are such that they come out right. */
        uint32x4_t seed = vaddq_u32(c->group4_seed, vextq_u32(nonce[i], nonce[i], 1));
        l[i].w[0] = vaddq_u32(vsha256su0q_u32(seed, zero), c->group4_add);
        l[i].s = four_rounds(l[i].s, c->group1_k);
    }
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        l[i].s = four_rounds(l[i].s, vld1q_u32(hf_k + 8)); /* words 8 to 11 are zero */
        l[i].w[1] = vsha256su1q_u32(c->group5_sum, c->group3, l[i].w[0]);
    }
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        l[i].s = four_rounds(l[i].s, c->group3_k);
        l[i].w[2] = vsha256su1q_u32(zero, l[i].w[0], l[i].w[1]);
        l[i].w[3] = vsha256su1q_u32(c->group7_sum, l[i].w[1], l[i].w[2]);
    }
    finish(l, hf_k, 15);
}

/* The second hash, to round 60; what is e then is digest word 7, less its initial value. */
HF_INLINE void second_hash(lane l[LANES], const constants *c)
{
    const uint32x4_t zero = vdupq_n_u32(0);
    const uint32_t *k = hf_k + 1;
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        halves digest = add_halves(l[i].s, c->midstate);
        uint32x4_t word0 = vsetq_lane_u32(vgetq_lane_u32(digest.abcd, 0), zero, 0);
        l[i].w[0] = vextq_u32(digest.abcd, digest.efgh, 1);
        l[i].w[1] = vextq_u32(digest.efgh, c->pad1, 1);
        /* Word 16 is a + sigma0(b), the first of what su0 makes of the digest. */
        l[i].w[3] = vextq_u32(c->pad3, vsha256su0q_u32(digest.abcd, digest.efgh), 1);
        l[i].s = add_halves(c->second, (halves){word0, word0});
        l[i].s = four_rounds(l[i].s, vaddq_u32(l[i].w[0], vld1q_u32(k)));
    }
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        l[i].s = four_rounds(l[i].s, vaddq_u32(l[i].w[1], vld1q_u32(k + 4)));
        l[i].w[0] = next_group(l[i].w[0], l[i].w[1], zero, l[i].w[3]);
    }
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        l[i].s = four_rounds(l[i].s, vld1q_u32(k + 8)); /* words 9 to 12 are zero */
        l[i].w[1] = next_group(l[i].w[1], zero, l[i].w[3], l[i].w[0]);
    }
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        l[i].s = four_rounds(l[i].s, vaddq_u32(l[i].w[3], vld1q_u32(k + 12)));
        l[i].w[2] = vsha256su1q_u32(zero, l[i].w[0], l[i].w[1]);
        l[i].w[3] = next_group(l[i].w[3], l[i].w[0], l[i].w[1], l[i].w[2]);
    }
    finish(l, k, 14);
}

/* Bit i for each lane i whose digest word 7 has none of the mask's bits. */
HF_INLINE uint32_t candidates(const lane l[LANES], uint32_t mask)
{
    uint32_t found = 0;
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        uint32_t word7 = hf_iv[7] + vgetq_lane_u32(l[i].s.efgh, 0);
        found |= (uint32_t)((word7 & mask) == 0) << i;
    }
    return found;
}

uint64_t hf_search_armv8(uint64_t *at, const hf_work *work, uint64_t end)
{
    constants c;
    prepare(&c, work);
    for (; *at < end; *at += LANES) {
        lane l[LANES];
        uint32x4_t nonce[LANES];
        HF_UNROLL for (int i = 0; i < LANES; i++) {
            uint32_t number = (uint32_t)*at + (uint32_t)i;
            nonce[i] = vsetq_lane_u32(hf_swap(number), vdupq_n_u32(0), 0);
        }
        first_hash(l, &c, nonce);
        second_hash(l, &c);
        uint32_t found = candidates(l, work->zero_mask);
        if (found != 0) {
            return found;
        }
    }
    return 0;
}

HF_TARGET_END
#endif
