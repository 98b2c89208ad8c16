/* Search with the vectors of AVX2: eight nonces at a time. */
#include "internal.h"

#if HF_X86
#include <immintrin.h>

HF_TARGET_BEGIN("avx2")

#define V __m256i
#define LANES 8
#define STREAMS 1
#define AND(a, b) _mm256_and_si256(a, b)
#define OR(a, b) _mm256_or_si256(a, b)
#define XOR(a, b) _mm256_xor_si256(a, b)
#define ADD(a, b) _mm256_add_epi32(a, b)
#define SUB(a, b) _mm256_sub_epi32(a, b)
#define XOR3(a, b, c) XOR(XOR(a, b), c)
#define CH(a, b, c) XOR(c, AND(a, XOR(b, c)))
#define MAJ(a, b, c) XOR(b, AND(XOR(a, b), XOR(b, c)))
#define SHR(a, count) _mm256_srli_epi32(a, count)
#define ROTR(a, count) OR(SHR(a, count), _mm256_slli_epi32(a, 32 - (count)))
#define SET1(word) _mm256_set1_epi32((int)(word))
#define SWAP(a) _mm256_shuffle_epi8(a, BYTES)
#define CLEAR(a, mask) \
    _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(AND(a, mask), _mm256_setzero_si256())))
#define COUNT _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0)
#define BYTES _mm256_broadcastsi128_si256(BYTES_128)
#define BYTES_128 _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3)

#include "lanes.h"

uint64_t hf_search_avx2(uint64_t *at, const hf_work *work, uint64_t end)
{
    return lanes_search(at, work, end);
}

uint64_t hf_search_avx2_versions(uint64_t *at, const hf_work *work, uint64_t end)
{
    return lanes_search_versions(at, work, end);
}

HF_TARGET_END
#endif
