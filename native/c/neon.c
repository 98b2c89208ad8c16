/*
 * Search with the vectors of 64-bit ARM, which every such CPU has: four nonces at a time.
 * Not yet run on real hardware, only in an emulated CPU.
 */
#include "internal.h"

#if HF_ARM64
#include <arm_neon.h>

#define V uint32x4_t
#define LANES 4
#define STREAMS 1 /* by llvm-mca's models, two gain nothing */
#define ADD(a, b) vaddq_u32(a, b)
#define SUB(a, b) vsubq_u32(a, b)
#define XOR3(a, b, c) veorq_u32(veorq_u32(a, b), c)
#define CH(a, b, c) vbslq_u32(a, b, c)
#define MAJ(a, b, c) vbslq_u32(veorq_u32(a, b), c, a)
#define SHR(a, count) vshrq_n_u32(a, count)
#define ROTR(a, count) vsriq_n_u32(vshlq_n_u32(a, 32 - (count)), a, count)
#define SET1(word) vdupq_n_u32(word)
#define SWAP(a) vreinterpretq_u32_u8(vrev32q_u8(vreinterpretq_u8_u32(a)))
#define CLEAR(a, mask) vaddvq_u32(vbicq_u32(BITS, vtstq_u32(a, mask)))
#define COUNT ((V){0, 1, 2, 3})
#define BITS ((V){1, 2, 4, 8})

#include "lanes.h"

uint64_t hf_search_neon(uint64_t *at, const hf_work *work, uint64_t end)
{
    return lanes_search(at, work, end);
}

uint64_t hf_search_neon_versions(uint64_t *at, const hf_work *work, uint64_t end)
{
    return lanes_search_versions(at, work, end);
}
#endif
