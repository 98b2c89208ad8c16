/* Tables of 64-bit numbers: open addressing with linear probing, in memory of the caller's. */
#include "headframe.h"

/* The number as it lies in a slot: 0 marks a free one. */
static uint64_t kept(uint64_t number)
{
    return number == 0 ? 1 : number;
}

/*
 * Where the search for a number begins: the top bits of its product with a secret odd number
 * (multiply-shift hashing, after Dietzfelbinger and others).
 */
static uint64_t home(uint64_t number, uint32_t bits, uint64_t salt)
{
    return (number * (salt | 1)) >> (64 - bits);
}

/* The slot that holds a number, or the free one where it belongs; 2^bits when all are taken. */
static uint64_t find(const uint64_t *slots, uint32_t bits, uint64_t salt, uint64_t number)
{
    uint64_t size = (uint64_t)1 << bits;
    uint64_t at = home(number, bits, salt);
    for (uint64_t looks = 0; looks < size; looks++) {
        if (slots[at] == number || slots[at] == 0) {
            return at;
        }
        at = (at + 1) & (size - 1);
    }
    return size;
}

int hf_table_has(const uint64_t *slots, uint32_t bits, uint64_t salt, uint64_t number)
{
    uint64_t at = find(slots, bits, salt, kept(number));
    return at >> bits == 0 && slots[at] != 0;
}

int hf_table_add(uint64_t *slots, uint32_t bits, uint64_t salt, uint64_t number)
{
    uint64_t at = find(slots, bits, salt, kept(number));
    if (at >> bits != 0) {
        return HF_NO_ROOM;
    }
    if (slots[at] != 0) {
        return HF_KNOWN;
    }
    slots[at] = kept(number);
    return HF_ADDED;
}

int hf_table_copy(uint64_t *to, uint32_t to_bits, const uint64_t *from, uint32_t from_bits,
                  uint64_t salt)
{
    uint64_t size = (uint64_t)1 << from_bits;
    for (uint64_t at = 0; at < size; at++) {
        if (from[at] != 0 && hf_table_add(to, to_bits, salt, from[at]) == HF_NO_ROOM) {
            return HF_NO_ROOM;
        }
    }
    return HF_ADDED;
}

int hf_table_put(hf_table *table, uint64_t number)
{
    uint64_t at = find(table->slots, table->bits, table->salt, kept(number));
    if (at >> table->bits == 0 && table->slots[at] != 0) {
        return HF_KNOWN;
    }
    if (at >> table->bits != 0 || table->count >= table->room) {
        return HF_NO_ROOM;
    }
    table->slots[at] = kept(number);
    table->count++;
    return HF_ADDED;
}
