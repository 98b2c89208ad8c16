/* The SHA instructions of x86 with AVX's encoding: compressions, and a search. */
#include "internal.h"

#if HF_X86
HF_TARGET_BEGIN("sha,avx")

#include "shani.h"

void hf_compress_shani(uint32_t state[8], const uint8_t *blocks, size_t count)
{
    shani_compress(state, blocks, count);
}

void hf_compress_two_shani(uint32_t states[2][8], const uint8_t *const blocks[2])
{
    shani_compress_two(states, blocks);
}

uint64_t hf_search_shani(uint64_t *at, const hf_work *work, uint64_t end)
{
    return shani_search(at, work, end);
}

HF_TARGET_END
#endif
