/*
 * The SHA instructions of x86 for four headers at once. The headers differ in their first
 * block only, so the second, and with it the schedule of the first hash, is the same for all
 * of them: a third of the vector operations of that hash is done once instead of four times.
 *
 * The headers are two pairs, half a step apart: one pair does its first hash while the other
 * does its second. So four chains of rounds keep the SHA unit busy, but only two of them have
 * a message schedule in registers. The shared schedule of the next nonce is made on the side.
 *
 * The SHA unit is the limit, and the integer units are idle. So the first rounds, whose input
 * is only the nonce, are done with integers, a half step ahead.
 */
#include "internal.h"

#if HF_X86
HF_TARGET_BEGIN("sha,avx")

#include "shani.h"

enum { PAIR = 2 };

/* The message words of groups 2 to 15 of the first hash, plus K; entries 0, 1 are not used. */
typedef __m128i schedule[16];

/* Where the SHA unit starts a first hash: the state after round 7, which is two halves. */
typedef struct {
    _Alignas(__m128i) uint32_t feba[4], hgdc[4];
} start;

/* What is needed to make the next group of the schedule: the latest groups. */
typedef struct {
    __m128i w[4];
} groups;

/* What both pairs use. */
typedef struct {
    const hf_work *work;
    constants c;
    schedule wk;
    start starts[PAIR]; /* of the pair that is next to start */
} shared;

/* Make group g, 4 to 15, of the first hash for a nonce. */
HF_INLINE void make_group(schedule wk, groups *s, const constants *c, uint32_t nonce, int g)
{
    const __m128i *k = (const __m128i *)(const void *)hf_k;
    __m128i *w = s->w;
    if (g == 4) {
        w[0] = first_group4(c, _mm_set1_epi32((int)nonce));
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

/* Write the part of a state that two rounds replace, in the order of the SHA instructions. */
HF_INLINE void store_feba(uint32_t feba[4], const uint32_t state[8])
{
    feba[0] = state[5];
    feba[1] = state[4];
    feba[2] = state[1];
    feba[3] = state[0];
}

/*
 * Rounds 4 to 7 of the first hash with integers. The empty asm makes the compiler take the
 * start from memory later, and not gather it in a vector register now.
 */
HF_INLINE void make_start(start *to, const hf_head *head, uint32_t nonce)
{
    uint32_t state[8];
    HF_UNROLL for (int i = 0; i < 8; i++) {
        state[i] = head->hoisted[i];
    }
    state[0] += hf_swap(nonce);
    state[4] += hf_swap(nonce);
    hf_round(state, hf_k[4] + 0x80000000);
    hf_round(state, hf_k[5]);
    store_feba(to->hgdc, state); /* two rounds later it is the other half */
    hf_round(state, hf_k[6]);
    hf_round(state, hf_k[7]);
    store_feba(to->feba, state);
    __asm__ volatile("" : "+m"(*to));
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
 *
 * `pair` is the number, 0 or 1, of the one in its second hash. It goes on with `nonce`, for
 * which its starts are made. If it is pair 0, also the schedule is made, each group of it
 * when the old one is used.
 */
HF_INLINE void half_step(lane first[PAIR], lane second[PAIR], shared *s, int pair, uint32_t nonce)
{
    const constants *c = &s->c;
    const int base = pair * PAIR;
    __m128i parked[PAIR][2];
    digest d[PAIR];
    groups made;
    first_group(first, s->wk, 2);
    HF_UNROLL for (int i = 0; i < PAIR; i++) {
        d[i] = start_second(&second[i], c, &c->heads[base + i]);
    }
    HF_UNROLL for (int g = 0; g < 15; g++) {
        if (g < 13) {
            first_group(first, s->wk, g + 3);
        }
        HF_UNROLL for (int i = 0; i < PAIR; i++) {
            second_group(&second[i], parked[i], c, d[i], g);
        }
        if (g % 4 == 0 && g / 4 < PAIR) { /* both at once would hold up the SHA unit */
            make_start(&s->starts[g / 4], &s->work->heads[base + g / 4], nonce);
        }
        if (pair == 0 && g >= 3) {
            make_group(s->wk, &made, c, nonce, g + 1);
        }
    }
}

/* Start the first hash of a pair. */
HF_INLINE void start_pair(lane l[PAIR], const shared *s)
{
    HF_UNROLL for (int i = 0; i < PAIR; i++) {
        l[i].feba = LOAD(s->starts[i].feba);
        l[i].hgdc = LOAD(s->starts[i].hgdc);
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
    uint32_t nonce = (uint32_t)*at;
    shared s;
    groups made;
    lane a[PAIR];
    lane b[PAIR];
    s.work = work;
    prepare(&s.c, work, HEADS);
    s.wk[2] = LOAD(hf_k + 8);
    s.wk[3] = s.c.group3_k;
    HF_UNROLL for (int g = 4; g < 16; g++) {
        make_group(s.wk, &made, &s.c, nonce, g);
    }
    HF_UNROLL for (int i = 0; i < PAIR; i++) {
        make_start(&s.starts[i], &work->heads[i], nonce);
    }
    start_pair(a, &s);
    HF_UNROLL for (int g = 2; g < 16; g++) {
        first_group(a, s.wk, g);
    }
    HF_UNROLL for (int i = 0; i < PAIR; i++) {
        make_start(&s.starts[i], &work->heads[PAIR + i], nonce);
    }
    for (; *at < end; ++*at) {
        start_pair(b, &s);
        nonce++;
        half_step(b, a, &s, 0, nonce);
        uint32_t found = pair_candidates(a, mask);
        start_pair(a, &s);
        half_step(a, b, &s, 1, nonce);
        found |= pair_candidates(b, mask) << PAIR;
        if (found != 0) {
            return found;
        }
    }
    return 0;
}

HF_TARGET_END
#endif
