/* Search with the vectors of SSE4.1: four nonces at a time. */
#include "internal.h"

#if HF_X86
#include <immintrin.h>

HF_TARGET_BEGIN("sse4.1")

#define V __m128i
#define LANES 4
#define STREAMS 1
#define AND(a, b) _mm_and_si128(a, b)
#define OR(a, b) _mm_or_si128(a, b)
#define XOR(a, b) _mm_xor_si128(a, b)
#define ADD(a, b) _mm_add_epi32(a, b)
#define SUB(a, b) _mm_sub_epi32(a, b)
#define XOR3(a, b, c) XOR(XOR(a, b), c)
#define CH(a, b, c) XOR(c, AND(a, XOR(b, c)))
#define MAJ(a, b, c) XOR(b, AND(XOR(a, b), XOR(b, c)))
#define SHR(a, count) _mm_srli_epi32(a, count)
#define ROTR(a, count) OR(SHR(a, count), _mm_slli_epi32(a, 32 - (count)))
#define SET1(word) _mm_set1_epi32((int)(word))
#define SWAP(a) _mm_shuffle_epi8(a, BYTES)
#define CLEAR(a, mask) \
    _mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(AND(a, mask), _mm_setzero_si128())))
#define COUNT _mm_set_epi32(3, 2, 1, 0)
#define BYTES _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3)

#include "lanes.h"

uint64_t hf_search_sse41(uint64_t *at, const hf_work *work, uint64_t end)
{
    return lanes_search(at, work, end);
}

uint64_t hf_search_sse41_versions(uint64_t *at, const hf_work *work, uint64_t end)
{
    return lanes_search_versions(at, work, end);
}

HF_TARGET_END
#endif
