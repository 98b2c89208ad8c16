/*
 * What the kernels with the SHA instructions of x86 share. To be included within a target
 * region: with AVX the compiler uses the encoding that has three operands; the other needs a
 * fifth more instructions.
 */
#include <immintrin.h>

#define ADD(a, b) _mm_add_epi32(a, b)
#define LOAD(p) _mm_load_si128((const __m128i *)(const void *)(p))
#define LOADU(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define STOREU(p, v) _mm_storeu_si128((__m128i *)(void *)(p), v)
#define WORDS(a, b, c, d) _mm_set_epi32((int)(d), (int)(c), (int)(b), (int)(a))

/* The instructions want the state as (f, e, b, a) and (h, g, d, c), lowest word first. */
HF_INLINE void load_state(__m128i *feba, __m128i *hgdc, const uint32_t state[8])
{
    __m128i badc = _mm_shuffle_epi32(LOADU(state), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(LOADU(state + 4), 0x1b);
    *feba = _mm_alignr_epi8(badc, hgfe, 8);
    *hgdc = _mm_blend_epi16(hgfe, badc, 0xf0);
}

/* Four rounds; `wk` is four message words plus their constants. */
HF_INLINE void four_rounds(__m128i *feba, __m128i *hgdc, __m128i wk)
{
    *hgdc = _mm_sha256rnds2_epu32(*hgdc, *feba, wk);
    *feba = _mm_sha256rnds2_epu32(*feba, *hgdc, _mm_shuffle_epi32(wk, 0x0e));
}

HF_INLINE void store_state(uint32_t state[8], __m128i feba, __m128i hgdc)
{
    __m128i abef = _mm_shuffle_epi32(feba, 0x1b);
    __m128i ghcd = _mm_shuffle_epi32(hgdc, 0xb1);
    STOREU(state, _mm_blend_epi16(abef, ghcd, 0xf0));
    STOREU(state + 4, _mm_alignr_epi8(ghcd, abef, 8));
}

/* Rounds 4i to 4i + 3 of a block; `w` holds the newest sixteen message words. */
HF_INLINE void block_rounds(__m128i *feba, __m128i *hgdc, __m128i w[4], const uint8_t *block,
                            unsigned i)
{
    if (i < 4) {
        const __m128i swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
        w[i] = _mm_shuffle_epi8(LOADU(block + 16 * (size_t)i), swap);
    } else {
        __m128i sum = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);
        sum = ADD(sum, _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4));
        w[i % 4] = _mm_sha256msg2_epu32(sum, w[(i + 3) % 4]);
    }
    four_rounds(feba, hgdc, ADD(w[i % 4], LOAD(hf_k + 4 * (size_t)i)));
}

/* The compression; see hf_compress_fn. */
HF_INLINE void shani_compress(uint32_t state[8], const uint8_t *blocks, size_t count)
{
    __m128i feba;
    __m128i hgdc;
    load_state(&feba, &hgdc, state);
    for (; count > 0; count--, blocks += 64) {
        __m128i w[4];
        __m128i start[2] = {feba, hgdc};
        HF_UNROLL for (unsigned i = 0; i < 16; i++) {
            block_rounds(&feba, &hgdc, w, blocks, i);
        }
        feba = ADD(feba, start[0]);
        hgdc = ADD(hgdc, start[1]);
    }
    store_state(state, feba, hgdc);
}

/* Two compressions, in turns: each waits for its own last round only. See hf_compress_two_fn. */
HF_INLINE void shani_compress_two(uint32_t states[2][8], const uint8_t *const blocks[2])
{
    __m128i feba[2];
    __m128i hgdc[2];
    __m128i start[2][2];
    __m128i w[2][4];
    HF_UNROLL for (unsigned l = 0; l < 2; l++) {
        load_state(&feba[l], &hgdc[l], states[l]);
        start[l][0] = feba[l];
        start[l][1] = hgdc[l];
    }
    HF_UNROLL for (unsigned i = 0; i < 16; i++) {
        HF_UNROLL for (unsigned l = 0; l < 2; l++) {
            block_rounds(&feba[l], &hgdc[l], w[l], blocks[l], i);
        }
    }
    HF_UNROLL for (unsigned l = 0; l < 2; l++) {
        store_state(states[l], ADD(feba[l], start[l][0]), ADD(hgdc[l], start[l][1]));
    }
}

/* One hash under way. Loops over lanes are unrolled, so that all this is in registers. */
typedef struct {
    __m128i feba, hgdc;   /* state */
    __m128i older, newer; /* the two newest groups of four message words */
} lane;

/* A head's part of the constants, each as feba, hgdc. */
typedef struct {
    __m128i hoisted[2], midstate[2];
} shani_head;

enum { HEADS = 4 }; /* at most */

/*
 * Everything that is the same for all nonces. A group is four message words; group g of the
 * first hash is words 4g to 4g + 3, of the second 4g + 1 to 4g + 4, because there round 0 is
 * done by addition and rounds 1 to 60 are all that the last digest word needs.
 */
typedef struct {
    shani_head heads[HEADS];
    __m128i group1_k, group3_k;      /* constant groups of the first hash, K added */
    __m128i group4_seed, group4_add; /* see first_group4 */
    __m128i group5_sum, group7_sum;  /* what is constant of groups 5 and 7 */
    __m128i second[2];               /* second hash after round 0, first digest word 0 */
    __m128i pad1, pad3;              /* constant words of groups 1 and 3, second hash */
    __m128i k_second[15];            /* K of the second hash's groups */
    __m128i to_state, to_word;       /* shuffles: a nonce to its big-endian word in place */
    __m128i first_word;              /* shuffle: digest word 0 to where round 0 adds it */
} constants;

static void prepare(constants *c, const hf_work *work, unsigned heads)
{
    uint32_t state[8];
    uint32_t seed1 = work->word17 - hf_sigma0(work->word18);
    for (unsigned i = 0; i < heads; i++) {
        shani_head *head = &c->heads[i];
        load_state(&head->hoisted[0], &head->hoisted[1], work->heads[i].hoisted);
        load_state(&head->midstate[0], &head->midstate[1], work->heads[i].midstate);
    }
    c->group1_k = ADD(LOAD(hf_k + 4), WORDS(0x80000000, 0, 0, 0));
    c->group3_k = ADD(LOAD(hf_k + 12), WORDS(0, 0, 0, 640));
    c->group4_seed = WORDS(work->word16 - hf_sigma0(seed1), seed1, work->word18, 0);
    c->group4_add = WORDS(0, 0, 0, work->word19);
    c->group5_sum = WORDS(0x80000000, 0, 640, work->word16);
    c->group7_sum = WORDS(0, 0, hf_sigma0(640), 640 + hf_sigma0(work->word16));
    for (unsigned i = 0; i < 8; i++) {
        state[i] = hf_iv[i];
    }
    hf_round(state, hf_k[0]);
    load_state(&c->second[0], &c->second[1], state);
    c->pad1 = WORDS(0, 0, 0, 0x80000000);
    c->pad3 = WORDS(0, 0, 256, 0);
    for (unsigned g = 0; g < 15; g++) {
        c->k_second[g] = LOADU(hf_k + 1 + 4 * (size_t)g);
    }
    c->to_state = WORDS(0x80808080, 0x00010203, 0x80808080, 0x00010203);
    c->to_word = WORDS(0x80808080, 0x80808080, 0x80808080, 0x00010203);
    c->first_word = WORDS(0x80808080, 0x0f0e0d0c, 0x80808080, 0x0f0e0d0c);
}

/*
 * A group is also needed three groups later, as the sum of its words and sigma0 of their
 * successors, which can be made as soon as the next group is there. Until its turn comes
 * the sum is parked in memory. The empty asm keeps the compiler from holding the groups
 * themselves in registers instead, of which there are too few.
 */
#define PARK(slot, value)                  \
    do {                                   \
        (slot) = (value);                  \
        __asm__ volatile("" : "+m"(slot)); \
    } while (0)

/*
 * Group g >= 5: its rounds, and the next group's words. Parked sums wait in the slot of the
 * group that takes them, modulo 2; that of group 6 is zero in both hashes.
 */
HF_INLINE void late_group(lane *l, __m128i parked[2], const __m128i *k, int g, int last)
{
    __m128i wk = ADD(l->newer, k[g]);
    l->hgdc = _mm_sha256rnds2_epu32(l->hgdc, l->feba, wk);
    if (g < last) {
        __m128i sum = _mm_alignr_epi8(l->newer, l->older, 4);
        sum = g == 5 ? sum : ADD(sum, parked[(g + 1) % 2]);
        if (g + 3 <= last) {
            PARK(parked[(g + 3) % 2], _mm_sha256msg1_epu32(l->older, l->newer));
        }
        l->older = l->newer;
        l->newer = _mm_sha256msg2_epu32(sum, l->newer);
    }
    l->feba = _mm_sha256rnds2_epu32(l->feba, l->hgdc, _mm_shuffle_epi32(wk, 0x0e));
}

/* The state before round 4 of the first hash. */
HF_INLINE void start_first(__m128i *feba, __m128i *hgdc, const constants *c,
                           const shani_head *head, __m128i nonce)
{
    *feba = ADD(head->hoisted[0], _mm_shuffle_epi8(nonce, c->to_state));
    *hgdc = head->hoisted[1];
}

/* Words 16 to 19 of the first hash. msg1 adds to each word sigma0 of the next: word 18 gets
 * that of the nonce word. The seeds of words 16 and 17 are such that they come out right. */
HF_INLINE __m128i first_group4(const constants *c, __m128i nonce)
{
    __m128i seed = ADD(c->group4_seed, _mm_shuffle_epi8(nonce, c->to_word));
    return ADD(_mm_sha256msg1_epu32(seed, _mm_setzero_si128()), c->group4_add);
}

/* The first groups of the second hash. */
typedef struct {
    __m128i group0, group1;
} digest;

/* From the state after the first hash to the second before round 1; `older` is group 3. */
HF_INLINE digest start_second(lane *l, const constants *c, const shani_head *head)
{
    __m128i feba = ADD(l->feba, head->midstate[0]);
    __m128i hgdc = ADD(l->hgdc, head->midstate[1]);
    __m128i bcda = _mm_shuffle_epi32(_mm_unpackhi_epi32(feba, hgdc), 0x9c);
    __m128i fghe = _mm_shuffle_epi32(_mm_unpacklo_epi32(feba, hgdc), 0x9c);
    /* Word 16 is a + sigma0(b): what msg1 makes of the last word, wrapped around. */
    l->older = _mm_blend_epi16(_mm_sha256msg1_epu32(bcda, bcda), c->pad3, 0x3f);
    l->feba = ADD(c->second[0], _mm_shuffle_epi8(feba, c->first_word));
    l->hgdc = c->second[1];
    return (digest){_mm_blend_epi16(bcda, fghe, 0xc0), _mm_blend_epi16(fghe, c->pad1, 0xc0)};
}

/* Group g, 0 to 14, of the second hash. What is e after the last is digest word 7, less its
 * initial value. */
HF_INLINE void second_group(lane *l, __m128i parked[2], const constants *c, digest d, int g)
{
    const __m128i *k = c->k_second;
    if (g == 0) {
        four_rounds(&l->feba, &l->hgdc, ADD(d.group0, k[0]));
    } else if (g == 1) {
        four_rounds(&l->feba, &l->hgdc, ADD(d.group1, k[1]));
        l->newer = _mm_sha256msg2_epu32(_mm_sha256msg1_epu32(d.group0, d.group1), l->older);
        PARK(parked[1], _mm_sha256msg1_epu32(d.group1, _mm_setzero_si128()));
    } else if (g == 2) {
        four_rounds(&l->feba, &l->hgdc, k[2]); /* words 9 to 12 are zero */
    } else if (g == 3) {
        four_rounds(&l->feba, &l->hgdc, ADD(l->older, k[3]));
    } else if (g == 4) {
        __m128i group3 = l->older;
        __m128i group4 = l->newer;
        __m128i sum = ADD(_mm_alignr_epi8(group4, group3, 4), parked[1]);
        PARK(parked[1], _mm_sha256msg1_epu32(group3, group4));
        four_rounds(&l->feba, &l->hgdc, ADD(group4, k[4]));
        l->older = group4;
        l->newer = _mm_sha256msg2_epu32(sum, group4);
    } else {
        late_group(l, parked, k, g, 14);
    }
}

enum { LANES = 3 }; /* of the plain search: the least number that is not bound by latency */

/* The first hash, from round 4, for the nonces counter + 0, 1, 2. */
HF_INLINE void plain_first(lane l[LANES], const constants *c, __m128i counter)
{
    const __m128i *k = (const __m128i *)(const void *)hf_k;
    __m128i parked[LANES][2];
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        __m128i nonce = ADD(counter, _mm_set1_epi32(i));
        start_first(&l[i].feba, &l[i].hgdc, c, c->heads, nonce);
        l[i].older = first_group4(c, nonce);
        four_rounds(&l[i].feba, &l[i].hgdc, c->group1_k);
    }
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        four_rounds(&l[i].feba, &l[i].hgdc, k[2]);
    }
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        four_rounds(&l[i].feba, &l[i].hgdc, c->group3_k);
    }
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        four_rounds(&l[i].feba, &l[i].hgdc, ADD(l[i].older, k[4]));
        l[i].newer = _mm_sha256msg2_epu32(c->group5_sum, l[i].older);
        PARK(parked[i][1], c->group7_sum);
    }
    HF_UNROLL for (int g = 5; g < 16; g++) {
        HF_UNROLL for (int i = 0; i < LANES; i++) {
            late_group(&l[i], parked[i], k, g, 15);
        }
    }
}

HF_INLINE void plain_second(lane l[LANES], const constants *c)
{
    __m128i parked[LANES][2];
    digest d[LANES];
    HF_UNROLL for (int i = 0; i < LANES; i++) {
        d[i] = start_second(&l[i], c, c->heads);
    }
    HF_UNROLL for (int g = 0; g < 15; g++) {
        HF_UNROLL for (int i = 0; i < LANES; i++) {
            second_group(&l[i], parked[i], c, d[i], g);
        }
    }
}

/* Bit i for each lane i whose digest word 7 has none of the mask's bits. */
HF_INLINE uint32_t plain_candidates(const lane l[LANES], __m128i mask)
{
    __m128i e01 = _mm_unpacklo_epi32(l[0].feba, l[1].feba); /* f0 f1 e0 e1 */
    __m128i e201 = _mm_blend_epi16(e01, l[2].feba, 0x0c);   /* f0 e2 e0 e1 */
    __m128i word7 = ADD(e201, _mm_set1_epi32((int)hf_iv[7]));
    __m128i zero = _mm_cmpeq_epi32(_mm_and_si128(word7, mask), _mm_setzero_si128());
    uint32_t bits = (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(zero)) >> 1;
    return bits >> 1 | (bits & 1) << 2;
}

/* Search with one header, LANES nonces at a time; see hf_search_fn. */
HF_INLINE uint64_t shani_search(uint64_t *at, const hf_work *work, uint64_t end)
{
    const __m128i mask = _mm_set1_epi32((int)work->zero_mask);
    __m128i counter = _mm_set1_epi32((int)(uint32_t)*at);
    constants c;
    prepare(&c, work, 1);
    for (; *at < end; *at += LANES) {
        lane l[LANES];
        plain_first(l, &c, counter);
        plain_second(l, &c);
        uint32_t found = plain_candidates(l, mask);
        if (found != 0) {
            return found;
        }
        counter = ADD(counter, _mm_set1_epi32(LANES));
    }
    return 0;
}
