/*
 * SHA-256d kernels: raw bytes in, nonces out; tables of proofs; and one line to many sockets.
 * The whole C interface.
 *
 * Nothing is kept between calls, nothing is allocated, no pointer outlives its call, and
 * every function may run in any number of threads at once. Pointers need no alignment,
 * but for those of tables and sockets.
 * The declarations below are read by native/build.py, which drops the lines that begin
 * with '#'; so they use nothing but plain C.
 */
#ifndef HEADFRAME_H
#define HEADFRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    HF_MAX_HITS = 64,  /* a scan returns early rather than find more */
    HF_MAX_HEADS = 16, /* headers scanned side by side in one call */
    HF_OK = 0,
    HF_BAD_KERNEL = 1,  /* no such kernel or hasher, or this CPU cannot run it */
    HF_BAD_RANGE = 2,   /* first + count passes 2^32 */
    HF_BAD_HEADS = 3,   /* no head, or more than HF_MAX_HEADS */
    HF_BAD_CONTEXT = 4  /* not what the layout below says */
};

/* What became of a number that was put into a table. */
enum {
    HF_KNOWN = 0,  /* it was there */
    HF_ADDED = 1,  /* it was not, and is now */
    HF_NO_ROOM = 2 /* it was not, and every slot is taken */
};

/* A header whose hash, read as a little-endian number, is at most the target. */
typedef struct {
    uint32_t head;  /* which of the heads */
    uint32_t nonce; /* as the number in the header */
} hf_hit;

/*
 * What a scan found. `hits` is complete for the nonces from `first` up to, not including,
 * `next`; nothing is said about nonces from `next` on.
 */
typedef struct {
    uint64_t next;
    uint32_t hit_count;
    hf_hit hits[64]; /* HF_MAX_HITS */
} hf_found;

/* Kernels are numbered 0 .. hf_kernel_count() - 1, most preferred first. */
uint32_t hf_kernel_count(void);
/* Its name, a constant; NULL when there is no such kernel. */
const char *hf_kernel_name(uint32_t kernel);
/* Nonces it hashes at once; 0 when there is no such kernel. */
uint32_t hf_kernel_lanes(uint32_t kernel);
/* Heads it hashes at once; 0 when there is no such kernel. */
uint32_t hf_kernel_versions(uint32_t kernel);
/* 1 when this CPU and operating system can run it, else 0. Asks the CPU at each call. */
int hf_kernel_usable(uint32_t kernel);

/*
 * Search nonces first .. first + count - 1 of one or several headers.
 *
 * Out:  found       what there is; complete up to found->next
 * In:   kernel      number of a usable kernel
 *       heads       head_count times the first 64 bytes of a header
 *       tail        the next 12 bytes of all these headers: end of root, time, bits
 *       target      32 bytes, little-endian number
 *       first,count the nonces; first + count is at most 2^32
 *       stop        the scan returns soon after this becomes non-zero
 * Returns HF_OK, HF_BAD_KERNEL, HF_BAD_RANGE or HF_BAD_HEADS.
 */
int hf_scan(hf_found *found, uint32_t kernel, const uint8_t *heads, uint32_t head_count,
            const uint8_t *tail, const uint8_t *target, uint64_t first, uint64_t count,
            const uint32_t *stop);

/* Hashers are the compressions behind hf_share_hash, most preferred first. */
uint32_t hf_hasher_count(void);
/* Its name, a constant; NULL when there is no such hasher. */
const char *hf_hasher_name(uint32_t hasher);
/* 1 when this CPU and operating system can run it, else 0. Asks the CPU at each call. */
int hf_hasher_usable(uint32_t hasher);

/*
 * Hash the header that a share stands for: coinbase, merkle path, header.
 *
 * The context is what the shares of a job have in common. All numbers little-endian:
 *   0  u32 size of prefix    4  u32 size of suffix    8  u32 hashes in path
 *   12 previous hash (32 bytes, header order)         44 u32 nbits
 *   48 prefix, suffix, path (32 bytes each, header order), and nothing after
 *
 * Out:  hash        32 bytes, header order
 * In:   hasher      number of a usable hasher; not checked again, since asking the CPU
 *                   costs more than hashing
 *       context     as above
 *       extranonce  what stands between prefix and suffix; any size
 * Returns HF_OK, HF_BAD_KERNEL (no such hasher) or HF_BAD_CONTEXT.
 */
int hf_share_hash(uint8_t *hash, uint32_t hasher, const uint8_t *context, size_t context_size,
                  const uint8_t *extranonce, size_t extranonce_size, uint32_t version,
                  uint32_t ntime, uint32_t nonce);

/*
 * Make the merkle path of a tree's first leaf from all leaves but it.
 *
 * Out:  path    32 bytes for each step, header order; at most 32 steps
 * In:   hasher  number of a usable hasher
 *       row     `count` hashes of 32 bytes, and room for one more; used up
 * Returns how many steps there are; 0 also when there is no such hasher.
 */
uint32_t hf_leaf_path(uint8_t *path, uint32_t hasher, uint8_t *row, uint32_t count);

/*
 * Tables of 64-bit numbers that are as good as random, such as the ends of proofs: open
 * addressing, one slot of 8 bytes for a number. The memory is the caller's: 2^bits slots
 * (bits 1 to 32), aligned as uint64_t, all 0 at the start. Where a number lies depends on
 * the salt, which must be the same in all calls for a table: who does not know it cannot
 * choose numbers that lie in one place. 0 marks a free slot, so 0 and 1 count as the same
 * number. Calls for one table must not run at the same time, but hf_table_has may.
 */
/* 1 when the number was put into the table, else 0. */
int hf_table_has(const uint64_t *slots, uint32_t bits, uint64_t salt, uint64_t number);
/* Put a number into the table. Returns HF_ADDED, HF_KNOWN or HF_NO_ROOM. */
int hf_table_add(uint64_t *slots, uint32_t bits, uint64_t salt, uint64_t number);
/*
 * Put all numbers of one table into another with the same salt. Returns HF_ADDED, or
 * HF_NO_ROOM when not all of them found room.
 */
int hf_table_copy(uint64_t *to, uint32_t to_bits, const uint64_t *from, uint32_t from_bits,
                  uint64_t salt);

/*
 * Plain good shares, judged many at a time: what nearly every line is that a rig sends.
 * Whatever else a line is, it is left to who knows more than this does.
 */

enum {
    HF_MAX_SHARES = 32, /* that one call of hf_take_shares takes */
    HF_SLOTS = 128      /* of hf_proofs */
};

/* Why hf_take_shares took no more. */
enum {
    HF_TOOK_ALL = 0,   /* there is no more, but perhaps the beginning of a line */
    HF_TOOK_MANY = 1,  /* HF_MAX_SHARES: ask again */
    HF_OTHER_JOB = 2,  /* a plain submit for another job */
    HF_NOT_PLAIN = 3   /* no plain submit, or its share is not good */
};

/* A table of numbers that knows how full it is; all else as above. */
typedef struct {
    uint64_t *slots;
    uint64_t salt;
    uint64_t count; /* numbers in it */
    uint64_t room;  /* that it takes, fewer than its slots */
    uint32_t bits;
    uint32_t ntime; /* of the shares whose proofs are in it */
} hf_table;

/* As hf_table_add; HF_NO_ROOM as soon as `room` numbers are in it. */
int hf_table_put(hf_table *table, uint64_t number);

/* The proofs of shares that counted, for all jobs that are the same work. */
typedef struct {
    uint64_t past;    /* proofs of times up to `shown` */
    uint64_t ahead;   /* and of later ones, */
    uint64_t limit;   /* of which so many may be */
    uint32_t floor;   /* shares of earlier times do not count */
    uint32_t shown;   /* the newest time that rigs were given */
    hf_table *tables[128]; /* HF_SLOTS: by time modulo HF_SLOTS; some, or NULL */
} hf_proofs;

/* What a job asks of the shares of some rigs. */
typedef struct {
    const uint8_t *context;  /* for hf_share_hash */
    uint32_t context_size;
    uint32_t hasher;         /* usable */
    uint8_t job[16];         /* its name on the wire, */
    uint32_t job_size;       /* of so many bytes */
    uint32_t version;
    uint32_t mask;           /* version bits that may be set */
    uint32_t ntime_min, ntime_max;
    uint8_t target[32];      /* a good share's hash is at most this number, little-endian, */
    uint8_t block[32];       /* but above this, */
    uint8_t up[32];          /* and goes up from here on */
    hf_proofs *proofs;
} hf_task;

/* A share that is good. Places are counted from the beginning of the data. */
typedef struct {
    uint8_t hash[32];
    uint32_t id, id_size; /* where its id stands, raw JSON */
    uint32_t extranonce;  /* where the hex of its extranonce stands */
    uint32_t name;        /* which of the names it came under */
    uint32_t version, ntime, nonce;
    uint32_t up;          /* 1 if it goes up, else 0 */
} hf_good;

typedef struct {
    uint32_t count; /* of shares */
    uint32_t ups;   /* that go up */
    uint32_t names; /* 1 if not all came under the same name, else 0 */
    uint32_t next;  /* bytes of the lines that they came in */
    uint32_t stop;  /* why there are no more */
    uint32_t job, job_size; /* with HF_OTHER_JOB: where the name of that job stands */
    uint32_t unrolled; /* shares without version bits since the last one that has some */
    uint32_t answer_size;
    uint8_t answers[2560]; /* lines that answer them all with true */
    hf_good shares[32];    /* HF_MAX_SHARES */
} hf_taken;

/*
 * Take the good shares from the front of what a rig sent, each in a whole line that is a
 * plain submit, and put their proofs into the table of their time. Nothing is changed for
 * the line at which it stops.
 *
 * Plain: one JSON object with `id` (a whole number or a text), `method` and `params` alone,
 * these being five or six texts, and the last three or four of the usual sizes; no text has
 * any character but printable ASCII without '\'.
 *
 * Good: of this job, under one of the names, its version bits, time and hash as the task
 * asks, its proof new, and in a table that is there and has room.
 *
 * Out:  taken     what there is
 * In:   task      proofs and tables in it are written to
 *       rig       u8 size of slice, u8 size of the rig's extranonce, u16 number of names,
 *                 the slice, then each name: u16 size (little-endian, as above), its bytes
 *       latest    a share of a later time is not good
 *       data      fewer than 2^31 bytes
 * Returns HF_OK, HF_BAD_KERNEL or HF_BAD_CONTEXT, also where `rig` is not as above.
 */
int hf_take_shares(hf_taken *taken, hf_task *task, const uint8_t *rig, size_t rig_size,
                   uint32_t latest, const uint8_t *data, size_t size);

/*
 * Send the same bytes to many connected sockets, to each what it takes at once. Several
 * threads may call it with the same arguments: each socket is served by one of them, and a
 * call that comes when all are taken returns at once.
 *
 * Out:  taken    bytes that each socket took: `size`, fewer, or 0, also after an error, which
 *                whoever uses that socket next will meet
 * In:   next     the first socket that no call has taken; 0 at the start
 *       sockets  `count` descriptors (fewer than 2^31) that are open until the last call that
 *                found any has returned
 *       data     `size` bytes, fewer than 2^31
 * Returns how many sockets of this call's took all.
 */
uint32_t hf_send_all(uint32_t *taken, uint32_t *next, const int32_t *sockets, uint32_t count,
                     const uint8_t *data, size_t size);

#endif
