/* Two loops whose cost in cycles is known on any x86-64, to measure with where no cycle
 * counter is at hand (virtual machines seldom have one).
 *
 * A chain of multiplications takes three cycles for each, whatever runs on the other thread
 * of the core: seconds for it give the clock. A run of no-operations takes all the front end
 * of a core can deliver, of which a busy sibling thread takes its share: its rate tells
 * whether the sibling was idle.
 */

#include <stdint.h>

enum { UNROLL = 64 };

/* Returns the number of cycles it took: 3 * UNROLL for each turn. */
uint64_t probe_chain(uint64_t turns)
{
    uint64_t value = 3;
    for (uint64_t turn = 0; turn < turns; turn++)
        __asm__ volatile(".rept 64\n\timul %0, %0\n\t.endr" : "+r"(value));
    return turns * 3 * UNROLL;
}

/* Returns the number of no-operations done: 16 * UNROLL for each turn. */
uint64_t probe_nops(uint64_t turns)
{
    for (uint64_t turn = 0; turn < turns; turn++)
        __asm__ volatile(".rept 1024\n\tnop\n\t.endr");
    return turns * 16 * UNROLL;
}
