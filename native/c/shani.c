/*
 * SHA-256 with the SHA instructions of x86, VEX-encoded: a compression, and a search that
 * interleaves three nonces, the least number that is not bound by their latency.
 */
#include "internal.h"

#if HF_X86
#include <immintrin.h>

HF_TARGET_BEGIN("sha,avx")

#define ADD(a, b) _mm_add_epi32(a, b)
#define LOAD(p) _mm_load_si128((const __m128i *)(const void *)(p))
#define LOADU(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define STOREU(p, v) _mm_storeu_si128((__m128i *)(void *)(p), v)

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

void hf_compress_shani(uint32_t state[8], const uint8_t *blocks, size_t count)
{
    const __m128i swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i feba;
    __m128i hgdc;
    load_state(&feba, &hgdc, state);
    for (; count > 0; count--, blocks += 64) {
        __m128i w[4];
        __m128i start[2] = {feba, hgdc};
        for (unsigned i = 0; i < 4; i++) {
            w[i] = _mm_shuffle_epi8(LOADU(blocks + 16 * (size_t)i), swap);
            four_rounds(&feba, &hgdc, ADD(w[i], LOAD(hf_k + 4 * (size_t)i)));
        }
        for (unsigned i = 4; i < 16; i++) {
            __m128i sum = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);
            sum = ADD(sum, _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4));
            w[i % 4] = _mm_sha256msg2_epu32(sum, w[(i + 3) % 4]);
            four_rounds(&feba, &hgdc, ADD(w[i % 4], LOAD(hf_k + 4 * (size_t)i)));
        }
        feba = ADD(feba, start[0]);
        hgdc = ADD(hgdc, start[1]);
    }
    __m128i abef = _mm_shuffle_epi32(feba, 0x1b);
    __m128i ghcd = _mm_shuffle_epi32(hgdc, 0xb1);
    STOREU(state, _mm_blend_epi16(abef, ghcd, 0xf0));
    STOREU(state + 4, _mm_alignr_epi8(ghcd, abef, 8));
}

uint32_t hf_search_shani(uint64_t *at, const hf_work *work, uint64_t end)
{
    return hf_search_portable(at, work, end);
}

HF_TARGET_END
#endif
