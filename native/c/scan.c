/*
 * The driver that all kernels share: what can be computed once, the walk through the
 * nonces, and the full check of what a kernel proposes. A kernel can therefore be wrong
 * only by leaving something out.
 */
#include <string.h>

#include "internal.h"

/* Nonces between two looks at the stop flag, over all heads: a few ms at the slowest. */
enum { NONCES_PER_LOOK = 8192 };

typedef struct {
    hf_found *found;
    const hf_kernel *kernel;
    const uint8_t *tail;
    const uint8_t *target;
    const hf_head *heads;
    uint32_t head_count;
    hf_work work;
} scan;

static int is_set(const uint32_t *stop)
{
    return __atomic_load_n(stop, __ATOMIC_RELAXED) != 0;
}

static void prepare_head(hf_head *head, const uint8_t *start, const uint32_t tail[3])
{
    memcpy(head->midstate, hf_iv, sizeof head->midstate);
    hf_compress_portable(head->midstate, start, 1);
    memcpy(head->hoisted, head->midstate, sizeof head->hoisted);
    for (unsigned t = 0; t < 3; t++) {
        hf_round(head->hoisted, tail[t] + hf_k[t]);
    }
    hf_round(head->hoisted, hf_k[3]);
}

static void prepare_work(hf_work *work, const uint8_t *tail, const uint8_t *target)
{
    for (unsigned i = 0; i < 3; i++) {
        work->tail[i] = hf_load_be(tail + 4 * i);
    }
    /* The schedule of a block with word 4 = 0x80000000, word 15 = 640 and zeros between. */
    work->word16 = hf_sigma0(work->tail[1]) + work->tail[0];
    work->word17 = hf_sigma1(640) + hf_sigma0(work->tail[2]) + work->tail[1];
    work->word18 = hf_sigma1(work->word16) + work->tail[2];
    work->word19 = hf_sigma1(work->word17) + hf_sigma0(0x80000000);
    /* A hash at most the target has zeros above the highest one of the target's top word. */
    uint32_t below = hf_load_le(target + 28);
    for (unsigned shift = 1; shift < 32; shift *= 2) {
        below |= below >> shift;
    }
    work->zero_mask = hf_swap(~below);
}

/* Hash a header in full, with portable code, and compare all 256 bits. */
static int meets_target(const scan *s, uint32_t head, uint32_t nonce)
{
    uint8_t block[64] = {0};
    uint32_t state[8];
    memcpy(block, s->tail, 12);
    hf_store_le(block + 12, nonce);
    block[16] = 0x80;
    hf_store_be(block + 60, 640);
    memcpy(state, s->heads[head].midstate, sizeof state);
    hf_compress_portable(state, block, 1);

    memset(block, 0, sizeof block);
    for (unsigned i = 0; i < 8; i++) {
        hf_store_be(block + 4 * i, state[i]);
    }
    block[32] = 0x80;
    hf_store_be(block + 60, 256);
    memcpy(state, hf_iv, sizeof state);
    hf_compress_portable(state, block, 1);

    for (unsigned i = 8; i-- > 0;) {
        uint32_t word = hf_swap(state[i]);
        uint32_t limit = hf_load_le(s->target + 4 * i);
        if (word != limit) {
            return word < limit;
        }
    }
    return 1;
}

/*
 * Scan one group of heads, from `first` to `end`, for at most `room` hits. Returns the end
 * of what was scanned; a hit may lie past it when several heads hit at the same nonce.
 */
static uint64_t scan_group(scan *s, uint32_t group, uint64_t first, uint64_t end, uint32_t room)
{
    uint32_t lanes = s->kernel->lanes;
    uint32_t bits = lanes * s->kernel->versions;
    uint64_t at = first;
    uint64_t step;
    while (at < end && (step = s->kernel->search(&at, &s->work, end)) != 0) {
        for (uint32_t lane = 0; lane < lanes && at + lane < end; lane++) {
            uint32_t nonce = (uint32_t)(at + lane);
            for (uint32_t bit = lane; bit < bits; bit += lanes) {
                uint32_t head = group + bit / lanes;
                if (!(step >> bit & 1) || head >= s->head_count || !meets_target(s, head, nonce)) {
                    continue;
                }
                if (room == 0) {
                    return nonce;
                }
                room--;
                s->found->hits[s->found->hit_count++] = (hf_hit){head, nonce};
            }
        }
        at += lanes;
    }
    return end;
}

/* Forget the hits, from number `from` on, at or past `end`. */
static void drop_past(hf_found *found, uint32_t from, uint64_t end)
{
    uint32_t kept = from;
    for (uint32_t i = from; i < found->hit_count; i++) {
        if (found->hits[i].nonce < end) {
            found->hits[kept++] = found->hits[i];
        }
    }
    found->hit_count = kept;
}

/*
 * Scan a stretch for all heads, one group after another, and return the end of what is
 * complete for all of them. A group that finds no more room ends the stretch earlier for
 * those after it. Each later head keeps a place for one hit, so at least one nonce is done.
 */
static uint64_t scan_stretch(scan *s, uint64_t first, uint64_t end)
{
    hf_found *found = s->found;
    uint32_t versions = s->kernel->versions;
    uint32_t before = found->hit_count;
    for (uint32_t group = 0; group < s->head_count; group += versions) {
        uint32_t after = group + versions < s->head_count ? s->head_count - group - versions : 0;
        hf_head heads[HF_MAX_HEADS]; /* a last group with heads missing repeats the last one */
        for (uint32_t i = 0; i < versions; i++) {
            uint32_t head = group + i < s->head_count ? group + i : s->head_count - 1;
            heads[i] = s->heads[head];
        }
        s->work.heads = heads;
        end = scan_group(s, group, first, end, HF_MAX_HITS - found->hit_count - after);
        drop_past(found, before, end);
    }
    return end;
}

int hf_scan(hf_found *found, uint32_t kernel, const uint8_t *heads, uint32_t head_count,
            const uint8_t *tail, const uint8_t *target, uint64_t first, uint64_t count,
            const uint32_t *stop)
{
    const uint64_t limit = (uint64_t)1 << 32;
    hf_head prepared[HF_MAX_HEADS];
    scan s = {.found = found, .tail = tail, .target = target};
    if (!hf_kernel_usable(kernel)) {
        return HF_BAD_KERNEL;
    }
    if (first > limit || count > limit - first) {
        return HF_BAD_RANGE;
    }
    if (head_count == 0 || head_count > HF_MAX_HEADS) {
        return HF_BAD_HEADS;
    }
    prepare_work(&s.work, tail, target);
    for (uint32_t i = 0; i < head_count; i++) {
        prepare_head(&prepared[i], heads + 64 * (size_t)i, s.work.tail);
    }
    s.kernel = hf_kernel_at(kernel);
    s.heads = prepared;
    s.head_count = head_count;

    found->hit_count = 0;
    found->next = first;
    const uint64_t end = first + count;
    const uint32_t stretch = NONCES_PER_LOOK / head_count;
    while (found->next < end && !is_set(stop) && found->hit_count + head_count <= HF_MAX_HITS) {
        uint64_t left = end - found->next;
        uint64_t stretch_end = found->next + (left < stretch ? left : stretch);
        found->next = scan_stretch(&s, found->next, stretch_end);
    }
    return HF_OK;
}
