/* Search with the vectors of AVX-512: sixteen nonces in each of two vectors at a time. */
#include "internal.h"

#if HF_X86
#include <immintrin.h>

HF_TARGET_BEGIN("avx512f")

#define V __m512i
#define LANES 16
#define STREAMS 2
/* Any function of three words is one instruction; its number is the function's truth table. */
#define LOGIC(a, b, c, table) _mm512_ternarylogic_epi32(a, b, c, table)
#define ADD(a, b) _mm512_add_epi32(a, b)
#define SUB(a, b) _mm512_sub_epi32(a, b)
#define XOR3(a, b, c) LOGIC(a, b, c, 0x96)
#define CH(a, b, c) LOGIC(a, b, c, 0xca)
#define MAJ(a, b, c) LOGIC(a, b, c, 0xe8)
#define SHR(a, count) _mm512_srli_epi32(a, count)
#define ROTR(a, count) _mm512_ror_epi32(a, count)
#define SET1(word) _mm512_set1_epi32((int)(word))
#define COUNT _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define SWAP(a) LOGIC(SET1(0xff00ff00), ROTR(a, 8), ROTR(a, 24), 0xca)
#define CLEAR(a, mask) _mm512_testn_epi32_mask(a, mask)

#include "lanes.h"

uint64_t hf_search_avx512(uint64_t *at, const hf_work *work, uint64_t end)
{
    return lanes_search(at, work, end);
}

uint64_t hf_search_avx512_versions(uint64_t *at, const hf_work *work, uint64_t end)
{
    return lanes_search_versions(at, work, end);
}

HF_TARGET_END
#endif
