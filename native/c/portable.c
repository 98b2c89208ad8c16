/* SHA-256 in plain C: runs everywhere, and is what every candidate is checked with. */
#include <string.h>

#include "internal.h"

const uint32_t hf_iv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* Aligned for the vector kernels, which read it in groups of four. */
_Alignas(64) const uint32_t hf_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* Run rounds `from` .. `to` - 1, a multiple of 16 words of schedule at a time. */
HF_INLINE void rounds(uint32_t state[8], uint32_t w[16], unsigned from, unsigned to)
{
    for (unsigned t = from; t < to; t++) {
        if (t >= 16) {
            w[t % 16] += hf_sigma0(w[(t + 1) % 16]) + w[(t + 9) % 16] + hf_sigma1(w[(t + 14) % 16]);
        }
        hf_round(state, w[t % 16] + hf_k[t]);
    }
}

void hf_compress_portable(uint32_t state[8], const uint8_t *blocks, size_t count)
{
    for (; count > 0; count--, blocks += 64) {
        uint32_t w[16];
        uint32_t s[8];
        for (unsigned i = 0; i < 16; i++) {
            w[i] = hf_load_be(blocks + 4 * (size_t)i);
        }
        memcpy(s, state, sizeof s);
        rounds(s, w, 0, 64);
        for (unsigned i = 0; i < 8; i++) {
            state[i] += s[i];
        }
    }
}

/* Digest word 7 of a header with this nonce word. */
static uint32_t last_word(const hf_work *work, uint32_t nonce_word)
{
    const hf_head *head = work->heads;
    uint32_t w[16] = {work->tail[0], work->tail[1], work->tail[2], nonce_word, 0x80000000};
    uint32_t s[8];
    w[15] = 640;
    memcpy(s, head->hoisted, sizeof s);
    s[0] += nonce_word;
    s[4] += nonce_word;
    rounds(s, w, 4, 64);
    for (unsigned i = 0; i < 8; i++) {
        w[i] = head->midstate[i] + s[i];
    }
    memset(w + 8, 0, 7 * sizeof w[0]);
    w[8] = 0x80000000;
    w[15] = 256;
    memcpy(s, hf_iv, sizeof s);
    rounds(s, w, 0, 61); /* what is e after round 60 is h after round 63 */
    return hf_iv[7] + s[4];
}

uint64_t hf_search_portable(uint64_t *at, const hf_work *work, uint64_t end)
{
    for (; *at < end; ++*at) {
        if ((last_word(work, hf_swap((uint32_t)*at)) & work->zero_mask) == 0) {
            return 1;
        }
    }
    return 0;
}
