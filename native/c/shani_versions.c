/*
 * The SHA instructions of x86 for four headers at once. The headers differ in their first
 * block only, so the second, and with it the schedule of the first hash, is the same for all
 * of them: a third of the vector operations of that hash is done once instead of four times.
 *
 * The headers are two pairs, half a step apart: one pair does its first hash while the other
 * does its second. So four chains of rounds keep the SHA unit busy, but only two of them have
 * a message schedule in registers. The shared schedule of the next nonce is made on the side.
 */
#include "internal.h"

#if HF_X86
HF_TARGET_BEGIN("sha,avx")

#include "shani.h"

enum { PAIR = 2 };

/* The message words of groups 1 to 15 of the first hash, plus K; entry 0 is not used. */
typedef __m128i schedule[16];

/* What is needed to make the next group of the schedule: the latest groups. */
typedef struct {
    __m128i w[4];
} groups;

/* Make group g, 4 to 15, of the first hash for a nonce. */
HF_INLINE void make_group(schedule wk, groups *s, const constants *c, __m128i nonce, int g)
{
    const __m128i *k = (const __m128i *)(const void *)hf_k;
    __m128i *w = s->w;
    if (g == 4) {
        w[0] = first_group4(c, nonce);
    } else if (g == 5) {
        w[1] = _mm_sha256msg2_epu32(c->group5_sum, w[0]);
    } else {
        __m128i sum = _mm_alignr_epi8(w[(g + 3) % 4], w[(g + 2) % 4], 4);
        if (g == 7) {
            sum = ADD(sum, c->group7_sum);
        } else if (g > 7) {
            sum = ADD(sum, _mm_sha256msg1_epu32(w[g % 4], w[(g + 1) % 4]));
        }
        w[g % 4] = _mm_sha256msg2_epu32(sum, w[(g + 3) % 4]);
    }
    PARK(wk[g], ADD(w[g % 4], k[g]));
}

/* Group g of the first hash for a pair. */
HF_INLINE void first_group(lane l[PAIR], const schedule wk, int g)
{
    __m128i words = wk[g];
    HF_UNROLL for (int i = 0; i < PAIR; i++) {
        l[i].hgdc = _mm_sha256rnds2_epu32(l[i].hgdc, l[i].feba, words);
    }
    words = _mm_shuffle_epi32(words, 0x0e);
    HF_UNROLL for (int i = 0; i < PAIR; i++) {
        l[i].feba = _mm_sha256rnds2_epu32(l[i].feba, l[i].hgdc, words);
    }
}

/*
 * Half a step: the whole first hash of one pair, the whole second of the other. The first is
 * a group ahead, so that the SHA unit has work while the second one's words are put in place.
 * If `make`, also the schedule for `nonce`, each group of it when the old one is used.
 */
HF_INLINE void half_step(lane first[PAIR], lane second[PAIR], schedule wk, const constants *c,
                         const shani_head *second_heads, int make, __m128i nonce)
{
    __m128i parked[PAIR][2];
    digest d[PAIR];
    groups s;
    first_group(first, wk, 1);
    HF_UNROLL for (int i = 0; i < PAIR; i++) {
        d[i] = start_second(&second[i], c, &second_heads[i]);
    }
    HF_UNROLL for (int g = 0; g < 15; g++) {
        if (g < 14) {
            first_group(first, wk, g + 2);
        }
        HF_UNROLL for (int i = 0; i < PAIR; i++) {
            second_group(&second[i], parked[i], c, d[i], g);
        }
        if (make && g >= 3) {
            make_group(wk, &s, c, nonce, g + 1);
        }
    }
}

/* Start the first hash of a pair. */
HF_INLINE void start_pair(lane l[PAIR], const constants *c, const shani_head *heads, __m128i nonce)
{
    HF_UNROLL for (int i = 0; i < PAIR; i++) {
        start_first(&l[i].feba, &l[i].hgdc, c, &heads[i], nonce);
    }
}

/* Bit i for each of a pair whose digest word 7 has none of the mask's bits. */
HF_INLINE uint32_t pair_candidates(const lane l[PAIR], __m128i mask)
{
    __m128i e = _mm_unpacklo_epi32(l[0].feba, l[1].feba); /* f0 f1 e0 e1 */
    __m128i word7 = ADD(e, _mm_set1_epi32((int)hf_iv[7]));
    __m128i zero = _mm_cmpeq_epi32(_mm_and_si128(word7, mask), _mm_setzero_si128());
    return (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(zero)) >> 2;
}

uint64_t hf_search_shani_versions(uint64_t *at, const hf_work *work, uint64_t end)
{
    const __m128i mask = _mm_set1_epi32((int)work->zero_mask);
    const __m128i one = _mm_set1_epi32(1);
    __m128i nonce = _mm_set1_epi32((int)(uint32_t)*at);
    constants c;
    schedule wk;
    groups s;
    lane a[PAIR];
    lane b[PAIR];
    prepare(&c, work, HEADS);
    wk[1] = c.group1_k;
    wk[2] = LOAD(hf_k + 8);
    wk[3] = c.group3_k;
    HF_UNROLL for (int g = 4; g < 16; g++) {
        make_group(wk, &s, &c, nonce, g);
    }
    start_pair(a, &c, c.heads, nonce);
    HF_UNROLL for (int g = 1; g < 16; g++) {
        first_group(a, wk, g);
    }
    for (; *at < end; ++*at) {
        start_pair(b, &c, c.heads + PAIR, nonce);
        nonce = ADD(nonce, one);
        half_step(b, a, wk, &c, c.heads, 1, nonce);
        uint32_t found = pair_candidates(a, mask);
        start_pair(a, &c, c.heads, nonce);
        half_step(a, b, wk, &c, c.heads + PAIR, 0, nonce);
        found |= pair_candidates(b, mask) << PAIR;
        if (found != 0) {
            return found;
        }
    }
    return 0;
}

HF_TARGET_END
#endif
