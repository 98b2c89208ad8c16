/*
 * The body of the vector kernels: a nonce in each lane, and vectors side by side.
 *
 * A file opens its target region, defines the macros below, includes this file, and makes
 * its searches of lanes_search and lanes_search_versions:
 *
 *   V                the type of a vector
 *   LANES            32-bit words in it
 *   STREAMS          vectors hashed side by side: 2 where one leaves the CPU waiting and there
 *                    are registers for the states of two
 *   COUNT            a vector of 0, 1, 2 .. LANES - 1
 *   SET1(word)       a vector with that uint32_t in every lane
 *   ADD SUB          (a, b), modulo 2^32
 *   XOR3             (a, b, c)
 *   CH MAJ           (a, b, c), as in FIPS 180-4, section 4.1.2
 *   ROTR SHR         (a, count), to the right
 *   SWAP(a)          every word with its bytes reversed
 *   CLEAR(a, mask)   an integer: bit i is set if lane i of `a` has no bit of `mask`
 *
 * What is saved against two hashes of 64 rounds: rounds 0 to 3 of the first are done once
 * for a header; round 0 of the second is two additions, its last three do not change the word
 * that is tested, and of the four before them only the half that makes e is needed. Message
 * words that are the same for all nonces are part of the round constants.
 *
 * Message words live in memory and rounds come in groups of eight, in functions of their own
 * that both hashes share: so the code fits the caches that a CPU has for it, and a compiler
 * does not try to keep sixteen words in registers that are needed for the state.
 */
#include <string.h>

enum { HEADS = 4 }; /* in lanes_search_versions */

/* What is the same for all nonces, in every lane. */
typedef struct {
    V k[64];
    V k_first[18];  /* K plus message word for rounds 4 to 17 of the first hash */
    V k_second[16]; /* and for rounds 8 to 15 of the second */
    V word16, word17;
    V add18, add19, pad, bits80, add30, add31; /* constant parts of words 18 to 31, first hash */
    V sigma1_bits, sigma0_pad, bits32, sigma0_bits; /* likewise, second hash */
    V second[8]; /* state of the second hash after round 0, for a first digest word of 0 */
    V last_iv, zero_mask;
    V midstate[HEADS][8], hoisted[HEADS][8];
} constants;

static void prepare(constants *c, const hf_work *work, unsigned heads)
{
    uint32_t second[8];
    memcpy(second, hf_iv, sizeof second);
    hf_round(second, hf_k[0]);
    for (unsigned t = 0; t < 64; t++) {
        c->k[t] = SET1(hf_k[t]);
    }
    memcpy(c->k_first, c->k, sizeof c->k_first);
    memcpy(c->k_second, c->k, sizeof c->k_second);
    c->k_first[4] = SET1(hf_k[4] + 0x80000000);
    c->k_first[15] = SET1(hf_k[15] + 640);
    c->k_first[16] = SET1(hf_k[16] + work->word16);
    c->k_first[17] = SET1(hf_k[17] + work->word17);
    c->k_second[8] = SET1(hf_k[8] + 0x80000000);
    c->k_second[15] = SET1(hf_k[15] + 256);
    c->word16 = SET1(work->word16);
    c->word17 = SET1(work->word17);
    c->add18 = SET1(work->word18);
    c->add19 = SET1(work->word19);
    c->pad = SET1(0x80000000);
    c->bits80 = SET1(640);
    c->add30 = SET1(hf_sigma0(640));
    c->add31 = SET1(hf_sigma0(work->word16) + 640);
    c->sigma1_bits = SET1(hf_sigma1(256));
    c->sigma0_pad = SET1(hf_sigma0(0x80000000));
    c->bits32 = SET1(256);
    c->sigma0_bits = SET1(hf_sigma0(256));
    c->last_iv = SET1(hf_iv[7]);
    c->zero_mask = SET1(work->zero_mask);
    for (unsigned i = 0; i < 8; i++) {
        c->second[i] = SET1(second[i]);
        for (unsigned head = 0; head < heads; head++) {
            c->midstate[head][i] = SET1(work->heads[head].midstate[i]);
            c->hoisted[head][i] = SET1(work->heads[head].hoisted[i]);
        }
    }
}

HF_INLINE V sigma0(V x)
{
    return XOR3(ROTR(x, 7), ROTR(x, 18), SHR(x, 3));
}

HF_INLINE V sigma1(V x)
{
    return XOR3(ROTR(x, 17), ROTR(x, 19), SHR(x, 10));
}

#define EACH_STREAM HF_UNROLL for (unsigned i = 0; i < STREAMS; i++)

/* Instead of moving eight words on at every round, their places change: word n before round t. */
#define PLACE(n, t) (((n) + 64 - (t)) % 8)

/*
 * Additions are in the order that keeps the way from one e to the next short, and from one a
 * to the next: that is what a round takes where a vector operation takes two cycles. The empty
 * asm keeps the compiler from an order of its own; gcc 12 has one that is a tenth slower.
 */
#if HF_X86
#define IN_ORDER(v) __asm__("" : "+v"(v))
#else
#define IN_ORDER(v) __asm__("" : "+w"(v))
#endif

/* The half of a round that makes e. */
HF_INLINE void half_round(V s[8], unsigned t, V wk)
{
    V e = s[PLACE(4, t)];
    V early = ADD(ADD(s[PLACE(7, t)], wk), s[PLACE(3, t)]);
    early = ADD(early, CH(e, s[PLACE(5, t)], s[PLACE(6, t)]));
    IN_ORDER(early);
    s[PLACE(3, t)] = ADD(early, XOR3(ROTR(e, 6), ROTR(e, 11), ROTR(e, 25)));
}

HF_INLINE void whole_round(V s[8], unsigned t, V wk)
{
    V a = s[PLACE(0, t)];
    V d = s[PLACE(3, t)];
    half_round(s, t, wk);
    V early = ADD(SUB(s[PLACE(3, t)], d), MAJ(a, s[PLACE(1, t)], s[PLACE(2, t)]));
    IN_ORDER(early);
    s[PLACE(7, t)] = ADD(early, XOR3(ROTR(a, 2), ROTR(a, 13), ROTR(a, 22)));
}

/* Make word *w of the schedule from those before it. */
HF_INLINE void expand(V *w)
{
    *w = ADD(ADD(w[-16], sigma0(w[-15])), ADD(w[-7], sigma1(w[-2])));
}

/* Rounds 8n .. 8m - 1 whose message words are the same for all streams; K is added. */
static HF_NOINLINE void shared_rounds(V state[STREAMS][8], const V *wk, unsigned from, unsigned to)
{
    V s[STREAMS][8];
    memcpy(s, state, sizeof s);
    HF_ROLL for (; from < to; from += 8) {
        HF_UNROLL for (unsigned t = 0; t < 8; t++) {
            EACH_STREAM whole_round(s[i], t, wk[from + t]);
        }
    }
    memcpy(state, s, sizeof s);
}

/* Rounds 8n .. 8m - 1 with words that are there. */
static HF_NOINLINE void word_rounds(V state[STREAMS][8], V w[STREAMS][64], const V *k,
                                    unsigned from, unsigned to)
{
    V s[STREAMS][8];
    memcpy(s, state, sizeof s);
    HF_ROLL for (; from < to; from += 8) {
        HF_UNROLL for (unsigned t = 0; t < 8; t++) {
            EACH_STREAM whole_round(s[i], t, ADD(w[i][from + t], k[from + t]));
        }
    }
    memcpy(state, s, sizeof s);
}

/*
 * Rounds 8n .. 8m - 1, and the making of their words, two by two. The empty asm keeps the
 * compiler from making words much earlier than they are used, and then having to put the
 * state aside for want of registers.
 */
static HF_NOINLINE void full_rounds(V state[STREAMS][8], V w[STREAMS][64], const V *k,
                                    unsigned from, unsigned to)
{
    V s[STREAMS][8];
    memcpy(s, state, sizeof s);
    HF_ROLL for (; from < to; from += 8) {
        HF_UNROLL for (unsigned u = 0; u < 8; u += 2) {
            HF_UNROLL for (unsigned t = u; t < u + 2; t++) {
                EACH_STREAM expand(&w[i][from + t]);
            }
            __asm__ volatile("" ::: "memory");
            HF_UNROLL for (unsigned t = u; t < u + 2; t++) {
                EACH_STREAM whole_round(s[i], t, ADD(w[i][from + t], k[from + t]));
            }
        }
    }
    memcpy(state, s, sizeof s);
}

/* Words 16 to 31 of the first hash; words 5 to 14 are zero. */
HF_INLINE void first_words(V w[64], const constants *c, V nonce)
{
    w[16] = c->word16;
    w[17] = c->word17;
    w[18] = ADD(c->add18, sigma0(nonce));
    w[19] = ADD(c->add19, nonce);
    w[20] = ADD(sigma1(w[18]), c->pad);
    w[21] = sigma1(w[19]);
    w[22] = ADD(sigma1(w[20]), c->bits80);
    HF_UNROLL for (unsigned t = 23; t < 30; t++) {
        w[t] = ADD(sigma1(w[t - 2]), w[t - 7]);
    }
    w[30] = ADD(ADD(sigma1(w[28]), w[23]), c->add30);
    w[31] = ADD(ADD(sigma1(w[29]), w[24]), c->add31);
}

/* Words 16 to 31 of the second hash; words 9 to 14 are zero. */
HF_INLINE void second_words(V w[64], const constants *c)
{
    w[16] = ADD(w[0], sigma0(w[1]));
    w[17] = ADD(ADD(w[1], sigma0(w[2])), c->sigma1_bits);
    HF_UNROLL for (unsigned t = 18; t < 22; t++) {
        w[t] = ADD(ADD(w[t - 16], sigma0(w[t - 15])), sigma1(w[t - 2]));
    }
    w[22] = ADD(ADD(w[6], sigma0(w[7])), ADD(c->bits32, sigma1(w[20])));
    w[23] = ADD(ADD(w[7], c->sigma0_pad), ADD(w[16], sigma1(w[21])));
    w[24] = ADD(ADD(c->pad, w[17]), sigma1(w[22]));
    HF_UNROLL for (unsigned t = 25; t < 30; t++) {
        w[t] = ADD(sigma1(w[t - 2]), w[t - 7]);
    }
    w[30] = ADD(ADD(sigma1(w[28]), w[23]), c->sigma0_bits);
    w[31] = ADD(ADD(sigma1(w[29]), w[24]), ADD(sigma0(w[16]), c->bits32));
}

/* The state before round 4 of the first hash, and rounds 4 to 7. */
HF_INLINE void start_first(V s[8], const constants *c, const V hoisted[8], V nonce)
{
    HF_UNROLL for (unsigned n = 0; n < 8; n++) {
        s[PLACE(n, 4)] = hoisted[n];
    }
    s[PLACE(0, 4)] = ADD(s[PLACE(0, 4)], nonce);
    s[PLACE(4, 4)] = ADD(s[PLACE(4, 4)], nonce);
    HF_UNROLL for (unsigned t = 4; t < 8; t++) {
        whole_round(s, t, c->k_first[t]);
    }
}

/* From the state after the first hash to the digest, and rounds 0 to 7 of the second. */
HF_INLINE void start_second(V s[8], V w[64], const constants *c, const V midstate[8])
{
    HF_UNROLL for (unsigned n = 0; n < 8; n++) {
        w[n] = ADD(s[n], midstate[n]);
    }
    second_words(w, c);
    HF_UNROLL for (unsigned n = 0; n < 8; n++) {
        s[PLACE(n, 1)] = c->second[n];
    }
    s[PLACE(0, 1)] = ADD(s[PLACE(0, 1)], w[0]);
    s[PLACE(4, 1)] = ADD(s[PLACE(4, 1)], w[0]);
    HF_UNROLL for (unsigned t = 1; t < 8; t++) {
        whole_round(s, t, ADD(w[t], c->k[t]));
    }
}

/*
 * The second hash of each stream, to round 60; what is e then is digest word 7, less its initial
 * value. Returns the candidates: bit (stream * LANES + lane).
 */
HF_INLINE uint64_t second_hash(V s[STREAMS][8], const constants *c, const V *midstates[STREAMS])
{
    V w[STREAMS][64];
    uint64_t found = 0;
    EACH_STREAM start_second(s[i], w[i], c, midstates[i]);
    shared_rounds(s, c->k_second, 8, 16);
    word_rounds(s, w, c->k, 16, 32);
    full_rounds(s, w, c->k, 32, 56);
    EACH_STREAM
    {
        expand(&w[i][56]);
        whole_round(s[i], 56, ADD(w[i][56], c->k[56]));
    }
    HF_UNROLL for (unsigned t = 57; t < 61; t++) {
        EACH_STREAM
        {
            expand(&w[i][t]);
            half_round(s[i], t, ADD(w[i][t], c->k[t]));
        }
    }
    EACH_STREAM
    {
        V word7 = ADD(s[i][PLACE(4, 61)], c->last_iv);
        found |= (uint64_t)CLEAR(word7, c->zero_mask) << (LANES * i);
    }
    return found;
}

/* Search with one header, STREAMS * LANES nonces at a time. */
HF_INLINE uint64_t lanes_search(uint64_t *at, const hf_work *work, uint64_t end)
{
    V counter = ADD(SET1((uint32_t)*at), COUNT);
    constants c;
    prepare(&c, work, 1);
    for (; *at < end; *at += STREAMS * LANES) {
        V s[STREAMS][8];
        V w[STREAMS][64];
        const V *midstates[STREAMS];
        EACH_STREAM
        {
            V nonce = SWAP(counter);
            start_first(s[i], &c, c.hoisted[0], nonce);
            first_words(w[i], &c, nonce);
            midstates[i] = c.midstate[0];
            counter = ADD(counter, SET1(LANES));
        }
        shared_rounds(s, c.k_first, 8, 16);
        word_rounds(s, w, c.k, 16, 32);
        full_rounds(s, w, c.k, 32, 64);
        uint64_t found = second_hash(s, &c, midstates);
        if (found != 0) {
            return found;
        }
    }
    return 0;
}

/* Words 18 to 63 of the first hash, plus K, for one vector of nonces. */
static HF_NOINLINE void first_schedule(V wk[64], const constants *c, V nonce)
{
    V w[64];
    first_words(w, c, nonce);
    HF_UNROLL for (unsigned t = 18; t < 32; t++) {
        wk[t] = ADD(w[t], c->k[t]);
    }
    HF_ROLL for (unsigned from = 32; from < 64; from += 8) {
        HF_UNROLL for (unsigned t = 0; t < 8; t++) {
            expand(&w[from + t]);
            wk[from + t] = ADD(w[from + t], c->k[from + t]);
        }
    }
}

/*
 * Search with HEADS headers, LANES nonces at a time. The headers have the second block in
 * common, so the schedule of its words is made once for all of them.
 */
HF_INLINE uint64_t lanes_search_versions(uint64_t *at, const hf_work *work, uint64_t end)
{
    V counter = ADD(SET1((uint32_t)*at), COUNT);
    V wk[64];
    constants c;
    prepare(&c, work, HEADS);
    memcpy(wk, c.k_first, sizeof c.k_first);
    for (; *at < end; *at += LANES) {
        uint64_t found = 0;
        V nonce = SWAP(counter);
        first_schedule(wk, &c, nonce);
        HF_ROLL for (unsigned head = 0; head < HEADS; head += STREAMS) {
            V s[STREAMS][8];
            const V *midstates[STREAMS];
            EACH_STREAM
            {
                start_first(s[i], &c, c.hoisted[head + i], nonce);
                midstates[i] = c.midstate[head + i];
            }
            shared_rounds(s, wk, 8, 64);
            found |= second_hash(s, &c, midstates) << (LANES * head);
        }
        if (found != 0) {
            return found;
        }
        counter = ADD(counter, SET1(LANES));
    }
    return 0;
}
