/*
 * Search of SHA-256d headers in OpenCL C 1.2, with nothing of any vendor's in it.
 *
 * A launch tries nonces `first` to `first + count - 1`, one to each work item, and hands back
 * candidates: nonces whose digest word 7 has none of the bits of `zero_mask`. What does not
 * depend on the nonce is computed by the host: miner/devices/opencl_job.py, which also says
 * what each argument holds. The host checks every candidate in full.
 *
 * Built with these defines:
 *   HF_VERSIONS  heads hashed at once: 1, or 4 that share the schedule of the first hash
 *   HF_GROUP     work items in a group
 *   HF_CAPACITY  candidates that a launch can hand back
 * and these, which change how it is computed and never what:
 *   HF_SPREAD    how much is given to the multipliers, where they are units of their own and
 *                those for logic are full: 0 nothing; 1 adds, as x * 1 + y; 2 shifts right,
 *                too, as high halves of products; 3 a rotation of each message word, too. The
 *                factors are arguments, so that no compiler sees through it
 *   HF_SELECT    1: choice and majority as bitselect(), for devices that have it and compilers
 *                that do not see it; 0: in plain logic
 *   HF_ROLL      1: the second hashes of several versions in a loop, which is less code
 */

#define K_0 0x428a2f98u
#define K_1 0x71374491u
#define K_2 0xb5c0fbcfu
#define K_3 0xe9b5dba5u
#define K_4 0x3956c25bu
#define K_5 0x59f111f1u
#define K_6 0x923f82a4u
#define K_7 0xab1c5ed5u
#define K_8 0xd807aa98u
#define K_9 0x12835b01u
#define K_10 0x243185beu
#define K_11 0x550c7dc3u
#define K_12 0x72be5d74u
#define K_13 0x80deb1feu
#define K_14 0x9bdc06a7u
#define K_15 0xc19bf174u
#define K_16 0xe49b69c1u
#define K_17 0xefbe4786u
#define K_18 0x0fc19dc6u
#define K_19 0x240ca1ccu
#define K_20 0x2de92c6fu
#define K_21 0x4a7484aau
#define K_22 0x5cb0a9dcu
#define K_23 0x76f988dau
#define K_24 0x983e5152u
#define K_25 0xa831c66du
#define K_26 0xb00327c8u
#define K_27 0xbf597fc7u
#define K_28 0xc6e00bf3u
#define K_29 0xd5a79147u
#define K_30 0x06ca6351u
#define K_31 0x14292967u
#define K_32 0x27b70a85u
#define K_33 0x2e1b2138u
#define K_34 0x4d2c6dfcu
#define K_35 0x53380d13u
#define K_36 0x650a7354u
#define K_37 0x766a0abbu
#define K_38 0x81c2c92eu
#define K_39 0x92722c85u
#define K_40 0xa2bfe8a1u
#define K_41 0xa81a664bu
#define K_42 0xc24b8b70u
#define K_43 0xc76c51a3u
#define K_44 0xd192e819u
#define K_45 0xd6990624u
#define K_46 0xf40e3585u
#define K_47 0x106aa070u
#define K_48 0x19a4c116u
#define K_49 0x1e376c08u
#define K_50 0x2748774cu
#define K_51 0x34b0bcb5u
#define K_52 0x391c0cb3u
#define K_53 0x4ed8aa4au
#define K_54 0x5b9cca4fu
#define K_55 0x682e6ff3u
#define K_56 0x748f82eeu
#define K_57 0x78a5636fu
#define K_58 0x84c87814u
#define K_59 0x8cc70208u
#define K_60 0x90befffau
#define K_61 0xa4506cebu
#define K_62 0xbef9a3f7u
#define K_63 0xc67178f2u

/* The initial value of FIPS 180-4, section 5.3.3, and its state after round 0 with a message
 * word of 0: that word is only added to the new a and e. */
#define IV_0 0x6a09e667u
#define IV_1 0xbb67ae85u
#define IV_2 0x3c6ef372u
#define IV_3 0xa54ff53au
#define IV_4 0x510e527fu
#define IV_5 0x9b05688cu
#define IV_6 0x1f83d9abu
#define IV_7 0x5be0cd19u
#define ROUND0_A 0xfc08884du
#define ROUND0_E 0x98c7e2a2u

/* What is fixed of a block's padding: its first word, and the lengths in bits. */
#define PAD 0x80000000u
#define HEADER_BITS 640u
#define DIGEST_BITS 256u

/* In a chain of ADDs what was added before stands first: the product keeps compilers from
 * ordering the chain anew, which would take the constants out of it. */
#if HF_SPREAD >= 1
#define ADD(x, y) ((x) * powers.s0 + (y))
#else
#define ADD(x, y) ((x) + (y))
#endif
#define ADD3(x, y, z) ADD(ADD(x, y), z)
#define ADD4(x, y, z, u) ADD(ADD3(x, y, z), u)

#define ROTATE(x, n) rotate(x, 32u - (n))
#if HF_SPREAD >= 2
#define SHIFT_3(x) mul_hi(x, powers.s1)
#define SHIFT_10(x) mul_hi(x, powers.s2)
#else
#define SHIFT_3(x) ((x) >> 3)
#define SHIFT_10(x) ((x) >> 10)
#endif
#if HF_SPREAD >= 3
#define ROTATE_17(x) ((x) * powers.s3 + mul_hi(x, powers.s3))
#else
#define ROTATE_17(x) ROTATE(x, 17u)
#endif
#define SUM0(x) (ROTATE(x, 2u) ^ ROTATE(x, 13u) ^ ROTATE(x, 22u))
#define SUM1(x) (ROTATE(x, 6u) ^ ROTATE(x, 11u) ^ ROTATE(x, 25u))
#define SIGMA0(x) (ROTATE(x, 7u) ^ ROTATE(x, 18u) ^ SHIFT_3(x))
#define SIGMA1(x) (ROTATE_17(x) ^ ROTATE(x, 19u) ^ SHIFT_10(x))
/* Of words that are constants: no compiler has to find out. */
#define SIGMA0_PAD 0x11002000u
#define SIGMA0_HEADER_BITS 0x00a00055u
#define SIGMA0_DIGEST_BITS 0x00400022u
#define SIGMA1_DIGEST_BITS 0x00a00000u

#if HF_SELECT
#define CHOOSE(x, y, z) bitselect(z, y, x)
#define MAJORITY(x, y, z) bitselect(x, y, (x) ^ (z))
#else
#define CHOOSE(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define MAJORITY(x, y, z) (((x) & (y)) | ((z) & ((x) | (y))))
#endif

/* The words of a state before round t, in a ring: nothing is moved from round to round. */
#define A(s, t) s[(64 - (t)) & 7]
#define B(s, t) s[(65 - (t)) & 7]
#define C(s, t) s[(66 - (t)) & 7]
#define D(s, t) s[(67 - (t)) & 7]
#define E(s, t) s[(68 - (t)) & 7]
#define F(s, t) s[(69 - (t)) & 7]
#define G(s, t) s[(70 - (t)) & 7]
#define H(s, t) s[(71 - (t)) & 7]

/* What a round adds to d, and the part of it that a is given: `hkw` is h, K and word, added. */
#define TEMP1(s, t, hkw) \
    ADD3(hkw, SUM1(E(s, t)), CHOOSE(E(s, t), F(s, t), G(s, t)))
#define ROUND_HKW(s, t, hkw)                                                      \
    {                                                                             \
        const uint temp = TEMP1(s, t, hkw);                                       \
        D(s, t) = ADD(temp, D(s, t));                                             \
        H(s, t) = ADD3(temp, SUM0(A(s, t)), MAJORITY(A(s, t), B(s, t), C(s, t))); \
    }
#define ROUND(s, t, kw) ROUND_HKW(s, t, ADD(kw, H(s, t)))
/* A round of which only e is wanted. */
#define ROUND_E(s, t, kw) D(s, t) = ADD(TEMP1(s, t, ADD(kw, H(s, t))), D(s, t));

/* Message word t, in place of word t - 16; from the words 15, 7 and 2 before it. */
#define W(t) w[(t) & 15]
#define SCHEDULE(t) W(t) = ADD4(W(t), SIGMA0(W(t + 1)), W(t + 9), SIGMA1(W(t + 14)));

#if HF_VERSIONS == 4
#define EACH(DO) DO(0) DO(1) DO(2) DO(3)
#elif HF_VERSIONS == 1
#define EACH(DO) DO(0)
#else
#error "HF_VERSIONS is 1 or 4"
#endif

/* A round of the first hash for all versions, which have the message words in common. */
#if HF_VERSIONS == 4
#define FIRST(t, kw)         \
    {                        \
        const uint sum = kw; \
        ROUND(s[0], t, sum)  \
        ROUND(s[1], t, sum)  \
        ROUND(s[2], t, sum)  \
        ROUND(s[3], t, sum)  \
    }
#else
#define FIRST(t, kw) ROUND(s[0], t, kw)
#endif
#define FIRST_W(t) FIRST(t, ADD(W(t), K_##t))
#define FIRST_NEXT(t) SCHEDULE(t) FIRST_W(t)
#define SECOND_NEXT(t) SCHEDULE(t) ROUND(s, t, ADD(W(t), K_##t))
#define SIXTEEN(DO, t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15) \
    DO(t0) DO(t1) DO(t2) DO(t3) DO(t4) DO(t5) DO(t6) DO(t7)                               \
    DO(t8) DO(t9) DO(t10) DO(t11) DO(t12) DO(t13) DO(t14) DO(t15)

/* Arrays become registers only where the functions that take them are inlined. */
#define INLINE static inline __attribute__((always_inline))

/*
 * The first hash, from round 4, for all versions. In `s`: the states after round 3 without
 * the nonce, with what round 4 adds to h in place of h. Out: the states after round 63.
 */
INLINE void first_hash(uint s[HF_VERSIONS][8], const uint2 early[HF_VERSIONS],
                              const uint8 words, const uint nonce_word, const uint4 powers)
{
    uint w[16];
    /* Round 3 takes the nonce, and so only adds it to the new a and e. */
#define ADD_NONCE(v)                          \
    A(s[v], 4) = ADD(A(s[v], 4), nonce_word); \
    E(s[v], 4) = ADD(E(s[v], 4), nonce_word); \
    ROUND_HKW(s[v], 4, H(s[v], 4))            \
    ROUND_HKW(s[v], 5, early[v].s0)           \
    ROUND_HKW(s[v], 6, early[v].s1)
    EACH(ADD_NONCE)
    FIRST(7, K_7) FIRST(8, K_8) FIRST(9, K_9) FIRST(10, K_10)
    FIRST(11, K_11) FIRST(12, K_12) FIRST(13, K_13) FIRST(14, K_14)
    FIRST(15, K_15 + HEADER_BITS)
    W(16) = words.s0;
    FIRST(16, words.s4)
    W(17) = words.s1;
    FIRST(17, words.s5)
    W(18) = ADD(words.s2, SIGMA0(nonce_word));
    FIRST_W(18)
    W(19) = ADD(words.s3, nonce_word);
    FIRST_W(19)
    W(20) = ADD(SIGMA1(W(18)), PAD);
    FIRST_W(20)
    W(21) = SIGMA1(W(19));
    FIRST_W(21)
    W(22) = ADD(SIGMA1(W(20)), HEADER_BITS);
    FIRST_W(22)
#define SHORT(t) W(t) = ADD(SIGMA1(W(t - 2)), W(t - 7)); FIRST_W(t)
    SHORT(23) SHORT(24) SHORT(25) SHORT(26) SHORT(27) SHORT(28) SHORT(29)
#undef SHORT
    W(30) = ADD3(SIGMA1(W(28)), W(23), SIGMA0_HEADER_BITS);
    FIRST_W(30)
    W(31) = ADD3(SIGMA1(W(29)), W(24), words.s6);
    FIRST_W(31)
    W(32) = ADD3(SIGMA1(W(30)), W(25), words.s7);
    FIRST_W(32)
    SIXTEEN(FIRST_NEXT, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48)
    FIRST_NEXT(49) FIRST_NEXT(50) FIRST_NEXT(51) FIRST_NEXT(52) FIRST_NEXT(53)
    FIRST_NEXT(54) FIRST_NEXT(55) FIRST_NEXT(56) FIRST_NEXT(57) FIRST_NEXT(58)
    FIRST_NEXT(59) FIRST_NEXT(60) FIRST_NEXT(61) FIRST_NEXT(62) FIRST_NEXT(63)
}

/* The second hash of the eight words in `w`; returns word 7 of the digest. */
INLINE uint second_hash(uint w[16], const uint4 powers)
{
    uint s[8];
    A(s, 1) = ADD(w[0], ROUND0_A);
    B(s, 1) = IV_0;
    C(s, 1) = IV_1;
    D(s, 1) = IV_2;
    E(s, 1) = ADD(w[0], ROUND0_E);
    F(s, 1) = IV_4;
    G(s, 1) = IV_5;
    ROUND_HKW(s, 1, ADD(w[1], K_1 + IV_6))
    ROUND_HKW(s, 2, ADD(w[2], K_2 + IV_5))
    ROUND_HKW(s, 3, ADD(w[3], K_3 + IV_4))
    ROUND(s, 4, ADD(w[4], K_4))
    ROUND(s, 5, ADD(w[5], K_5))
    ROUND(s, 6, ADD(w[6], K_6))
    ROUND(s, 7, ADD(w[7], K_7))
    ROUND(s, 8, K_8 + PAD)
    ROUND(s, 9, K_9)
    ROUND(s, 10, K_10)
    ROUND(s, 11, K_11)
    ROUND(s, 12, K_12)
    ROUND(s, 13, K_13)
    ROUND(s, 14, K_14)
    ROUND(s, 15, K_15 + DIGEST_BITS)
#define STEP(t) ROUND(s, t, ADD(W(t), K_##t))
    W(16) = ADD(w[0], SIGMA0(w[1]));
    STEP(16)
    W(17) = ADD3(w[1], SIGMA0(w[2]), SIGMA1_DIGEST_BITS);
    STEP(17)
    W(18) = ADD3(w[2], SIGMA0(w[3]), SIGMA1(W(16)));
    STEP(18)
    W(19) = ADD3(w[3], SIGMA0(w[4]), SIGMA1(W(17)));
    STEP(19)
    W(20) = ADD3(w[4], SIGMA0(w[5]), SIGMA1(W(18)));
    STEP(20)
    W(21) = ADD3(w[5], SIGMA0(w[6]), SIGMA1(W(19)));
    STEP(21)
    W(22) = ADD4(w[6], SIGMA0(w[7]), SIGMA1(W(20)), DIGEST_BITS);
    STEP(22)
    W(23) = ADD4(w[7], W(16), SIGMA1(W(21)), SIGMA0_PAD);
    STEP(23)
    W(24) = ADD3(W(17), SIGMA1(W(22)), PAD);
    STEP(24)
#define SHORT(t) W(t) = ADD(W(t - 7), SIGMA1(W(t - 2))); STEP(t)
    SHORT(25) SHORT(26) SHORT(27) SHORT(28) SHORT(29)
#undef SHORT
    W(30) = ADD3(W(23), SIGMA1(W(28)), SIGMA0_DIGEST_BITS);
    STEP(30)
    W(31) = ADD4(W(24), SIGMA1(W(29)), SIGMA0(W(16)), DIGEST_BITS);
    STEP(31)
#undef STEP
    SIXTEEN(SECOND_NEXT, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47)
    SECOND_NEXT(48) SECOND_NEXT(49) SECOND_NEXT(50) SECOND_NEXT(51) SECOND_NEXT(52)
    SECOND_NEXT(53) SECOND_NEXT(54) SECOND_NEXT(55) SECOND_NEXT(56)
    /* Word 7 of the digest is h in the end, which is e after round 60. */
    SCHEDULE(57) ROUND_E(s, 57, ADD(W(57), K_57))
    SCHEDULE(58) ROUND_E(s, 58, ADD(W(58), K_58))
    SCHEDULE(59) ROUND_E(s, 59, ADD(W(59), K_59))
    SCHEDULE(60) ROUND_E(s, 60, ADD(W(60), K_60))
    return ADD(E(s, 61), IV_7);
}

/* Hand a candidate back, or only count it when there is no room left. */
INLINE void report(__global uint *found, const uint head, const uint nonce)
{
    const uint place = atomic_inc(found);
    if (place < HF_CAPACITY) {
        found[2 + 2 * place] = head;
        found[3 + 2 * place] = nonce;
    }
}

/* Take version v's state before round 4, and what goes with it, out of the arguments. */
#define UNPACK(v)               \
    A(s[v], 4) = hoisted##v.s0; \
    B(s[v], 4) = hoisted##v.s1; \
    C(s[v], 4) = hoisted##v.s2; \
    D(s[v], 4) = hoisted##v.s3; \
    E(s[v], 4) = hoisted##v.s4; \
    F(s[v], 4) = hoisted##v.s5; \
    G(s[v], 4) = hoisted##v.s6; \
    H(s[v], 4) = hoisted##v.s7; \
    early[v] = early##v;
/* Make its state after round 63 the digest. */
#define FEED_FORWARD(v)                             \
    A(s[v], 64) = ADD(A(s[v], 64), midstate##v.s0); \
    B(s[v], 64) = ADD(B(s[v], 64), midstate##v.s1); \
    C(s[v], 64) = ADD(C(s[v], 64), midstate##v.s2); \
    D(s[v], 64) = ADD(D(s[v], 64), midstate##v.s3); \
    E(s[v], 64) = ADD(E(s[v], 64), midstate##v.s4); \
    F(s[v], 64) = ADD(F(s[v], 64), midstate##v.s5); \
    G(s[v], 64) = ADD(G(s[v], 64), midstate##v.s6); \
    H(s[v], 64) = ADD(H(s[v], 64), midstate##v.s7);
/* Hash the digest in s[from], which is head `head`'s, and report a candidate. */
#define JUDGE(from, head)                                \
    {                                                    \
        uint w[16];                                      \
        for (uint i = 0; i < 8; i++) {                   \
            w[i] = s[from][i];                           \
        }                                                \
        if ((second_hash(w, powers) & zero_mask) == 0) { \
            report(found, head, nonce);                  \
        }                                                \
    }
#define JUDGE_ITS_OWN(v) JUDGE(v, v)

/*
 * found       [0] how many candidates there were; [1] set to 1 by a launch that hashes, so that
 *             one that should have and did not is noticed; then head and nonce of each
 *             candidate, as many as there is room for. The host sets both to zero before.
 * generation  what the launch belongs to; it does nothing once `*wanted` is another one
 */
__kernel __attribute__((reqd_work_group_size(HF_GROUP, 1, 1)))
void search(__global uint *found, __global const volatile uint *wanted, const uint generation,
            const uint first, const uint count, const uint zero_mask,
            const uint4 powers, const uint8 words,
            const uint8 hoisted0, const uint8 midstate0, const uint2 early0
#if HF_VERSIONS == 4
            , const uint8 hoisted1, const uint8 midstate1, const uint2 early1
            , const uint8 hoisted2, const uint8 midstate2, const uint2 early2
            , const uint8 hoisted3, const uint8 midstate3, const uint2 early3
#endif
)
{
    const uint item = (uint)get_global_id(0);
    if (item >= count || *wanted != generation) {
        return;
    }
    if (item == 0) {
        found[1] = 1;
    }
    const uint nonce = first + item;
    /* The header holds it with the lowest byte first; SHA-256 reads the highest first. */
    const uint nonce_word = bitselect(rotate(nonce, 24u), rotate(nonce, 8u), 0x00ff00ffu);
    uint s[HF_VERSIONS][8];
    uint2 early[HF_VERSIONS];
    EACH(UNPACK)
    first_hash(s, early, words, nonce_word, powers);
    EACH(FEED_FORWARD)
#if HF_VERSIONS == 4 && HF_ROLL
#pragma unroll 1
    for (uint head = 0; head < HF_VERSIONS; head++) {
        JUDGE(0, head)
        for (uint i = 0; i < 8; i++) {
            s[0][i] = s[1][i];
            s[1][i] = s[2][i];
            s[2][i] = s[3][i];
        }
    }
#else
    EACH(JUDGE_ITS_OWN)
#endif
}
