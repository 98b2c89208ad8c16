/* Good shares, taken many at a time; headframe.h says which are. */
#include <string.h>

#include "internal.h"
#include "submit.h"

enum { LONGEST_LINE = 1024, MOST_EXTRANONCE = 64 };
static const char ANSWER[] = "{\"id\":";
static const char TRUE_LINE[] = ",\"result\":true,\"error\":null}\n";

_Static_assert(HF_SLOTS == sizeof ((hf_proofs *)0)->tables / sizeof(hf_table *), "HF_SLOTS");
_Static_assert(HF_MAX_SHARES == sizeof ((hf_taken *)0)->shares / sizeof(hf_good), "HF_MAX_SHARES");
_Static_assert(HF_MAX_SHARES * (sizeof ANSWER + HF_MAX_ID + sizeof TRUE_LINE)
                   <= sizeof ((hf_taken *)0)->answers,
               "answers of the longest ids");

/* A rig, taken apart. */
typedef struct {
    const uint8_t *slice, *names, *end;
    uint32_t slice_size, size, name_count;
} rig_parts;

static uint32_t load_u16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static int read_rig(rig_parts *parts, const uint8_t *rig, size_t size)
{
    if (size < 4 || size - 4 < rig[0] || rig[0] + rig[1] > MOST_EXTRANONCE) {
        return 0;
    }
    parts->slice_size = rig[0];
    parts->size = rig[1];
    parts->name_count = load_u16(rig + 2);
    parts->slice = rig + 4;
    parts->names = parts->slice + rig[0];
    parts->end = rig + size;
    const uint8_t *at = parts->names;
    for (uint32_t i = 0; i < parts->name_count; i++) {
        if (parts->end - at < 2 || (size_t)(parts->end - at) - 2 < load_u16(at)) {
            return 0;
        }
        at += 2 + load_u16(at);
    }
    return at == parts->end;
}

/* Which of the names this is; their number if it is none. */
static uint32_t find_name(const rig_parts *rig, const hf_text *name)
{
    const uint8_t *at = rig->names;
    uint32_t i = 0;
    for (; i < rig->name_count; i++) {
        uint32_t size = load_u16(at);
        if (size == name->size && memcmp(at + 2, name->at, size) == 0) {
            break;
        }
        at += 2 + size;
    }
    return i;
}

/* Read a number of 32 bits from exactly eight hex digits. */
static int read_word(uint32_t *word, const hf_text *text)
{
    uint8_t bytes[4];
    if (text->size != 8 || !hf_read_hex(bytes, text->at, sizeof bytes)) {
        return 0;
    }
    *word = hf_load_be(bytes);
    return 1;
}

/* Compare two numbers of 256 bits, little-endian. */
static int at_most(const uint8_t *number, const uint8_t *limit)
{
    for (int i = 31; i >= 0; i--) {
        if (number[i] != limit[i]) {
            return number[i] < limit[i];
        }
    }
    return 1;
}

/* The table for a share's proof; NULL when there is none, or it is for none to come. */
static hf_table *table_for(const hf_proofs *proofs, uint32_t ntime)
{
    hf_table *table = proofs->tables[ntime % HF_SLOTS];
    if (!table || table->ntime != ntime || ntime < proofs->floor) {
        return NULL;
    }
    return ntime > proofs->shown && proofs->ahead >= proofs->limit ? NULL : table;
}

static int read_numbers(hf_good *share, const hf_task *task, const hf_submit *submit)
{
    uint32_t bits = 0;
    if (!read_word(&share->ntime, &submit->ntime) || !read_word(&share->nonce, &submit->nonce)
        || (submit->bits.at && !read_word(&bits, &submit->bits))) {
        return 0;
    }
    share->version = task->version ^ bits;
    return (bits & ~task->mask) == 0;
}

/* Judge a share of the task's job by all but its name. */
static int is_good(hf_good *share, hf_task *task, const rig_parts *rig, uint32_t latest,
                   const hf_submit *submit)
{
    uint8_t extranonce[MOST_EXTRANONCE];
    hf_proofs *proofs = task->proofs;
    if (submit->extranonce.size != 2 * (size_t)rig->size || !read_numbers(share, task, submit)
        || share->ntime < task->ntime_min || share->ntime > task->ntime_max
        || share->ntime > latest) {
        return 0;
    }
    hf_table *table = table_for(proofs, share->ntime);
    memcpy(extranonce, rig->slice, rig->slice_size);
    if (!table || !hf_read_hex(extranonce + rig->slice_size, submit->extranonce.at, rig->size)
        || hf_share_hash(share->hash, task->hasher, task->context, task->context_size, extranonce,
                         rig->slice_size + rig->size, share->version, share->ntime, share->nonce)
               != HF_OK
        || !at_most(share->hash, task->target) || at_most(share->hash, task->block)) {
        return 0;
    }
    uint64_t key = hf_load_le(share->hash) | (uint64_t)hf_load_le(share->hash + 4) << 32;
    if (hf_table_put(table, key) != HF_ADDED) {
        return 0;
    }
    *(share->ntime > proofs->shown ? &proofs->ahead : &proofs->past) += 1;
    share->up = (uint32_t)at_most(share->hash, task->up);
    return 1;
}

static void add_answer(hf_taken *taken, const hf_text *id)
{
    uint8_t *to = taken->answers + taken->answer_size;
    memcpy(to, ANSWER, sizeof ANSWER - 1);
    to += sizeof ANSWER - 1;
    memcpy(to, id->at, id->size);
    memcpy(to + id->size, TRUE_LINE, sizeof TRUE_LINE - 1);
    taken->answer_size += (uint32_t)(sizeof ANSWER + sizeof TRUE_LINE - 2 + id->size);
}

/* Take the share of one line; else say why not. */
static uint32_t take_line(hf_taken *taken, hf_task *task, const rig_parts *rig, uint32_t latest,
                          const uint8_t *data, const hf_text *line)
{
    hf_submit submit;
    hf_good *share = &taken->shares[taken->count];
    if (line->size > LONGEST_LINE || !hf_read_submit(&submit, line->at, line->size)) {
        return HF_NOT_PLAIN;
    }
    if (submit.job.size != task->job_size
        || memcmp(submit.job.at, task->job, task->job_size) != 0) {
        taken->job = (uint32_t)(submit.job.at - data);
        taken->job_size = (uint32_t)submit.job.size;
        return HF_OTHER_JOB;
    }
    share->name = find_name(rig, &submit.name);
    if (share->name == rig->name_count || !is_good(share, task, rig, latest, &submit)) {
        return HF_NOT_PLAIN;
    }
    share->id = (uint32_t)(submit.id.at - data);
    share->id_size = (uint32_t)submit.id.size;
    share->extranonce = (uint32_t)(submit.extranonce.at - data);
    taken->names |= share->name != taken->shares[0].name;
    taken->ups += share->up;
    taken->unrolled = share->version == task->version ? taken->unrolled + 1 : 0;
    taken->count++;
    add_answer(taken, &submit.id);
    return HF_TOOK_ALL;
}

int hf_take_shares(hf_taken *taken, hf_task *task, const uint8_t *rig, size_t rig_size,
                   uint32_t latest, const uint8_t *data, size_t size)
{
    rig_parts parts;
    memset(taken, 0, offsetof(hf_taken, answers));
    if (!hf_hasher_at(task->hasher)) {
        return HF_BAD_KERNEL;
    }
    if (!read_rig(&parts, rig, rig_size) || task->job_size > sizeof task->job) {
        return HF_BAD_CONTEXT;
    }
    while (taken->stop == HF_TOOK_ALL && taken->next < size) {
        hf_text line = {data + taken->next, 0};
        const uint8_t *end = memchr(line.at, '\n', size - taken->next);
        if (!end) {
            break;
        }
        if (taken->count == HF_MAX_SHARES) {
            taken->stop = HF_TOOK_MANY;
            break;
        }
        line.size = (size_t)(end - line.at);
        taken->stop = take_line(taken, task, &parts, latest, data, &line);
        if (taken->stop == HF_TOOK_ALL) {
            taken->next += (uint32_t)line.size + 1;
        }
    }
    return HF_OK;
}
