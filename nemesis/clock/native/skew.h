// What the clock helper writes into a process: the parameters of the skew, and the arithmetic on both sides of it.
#ifndef QUORATE_SKEW_H
#define QUORATE_SKEW_H

#include <stdint.h>

#if !defined(__x86_64__)
#error "the clock helper knows x86-64 only: other processors need their own jump and shim"
#endif

#define SKEW_MAGIC 0x31304b4c43515251ull // "QRQCLK01"
#define SKEW_BLOCKS 4                    // a power of two
#define SKEW_FUNCTIONS 3
#define SKEW_SAVED 8 // bytes kept of each function's beginning; the jump over them takes 5
#define SKEW_HEADER_BYTES 384

enum { REAL, MONO, FAMILIES };

// One family of clocks that move together. Times are nanoseconds. At true time t the process sees
// t + offset + (t - base) * drift / 2^32, and strobe more in every odd period.
struct family {
    int64_t offset;
    int64_t base;
    int64_t drift; // (rate - 1) * 2^32
    uint64_t pace; // strobe periods in a nanosecond, times 2^64; 0: no strobe
    int64_t strobe;
};

struct skew {
    struct family family[FAMILIES];
};

// The blob's data. A change writes the next block and then `current` in one aligned store, so that a reader in the
// process never sees half a change and need not be stopped for it.
struct header {
    uint64_t magic;
    volatile uint64_t current;
    struct skew block[SKEW_BLOCKS];
    uint8_t saved[SKEW_FUNCTIONS][SKEW_SAVED];
};
_Static_assert(sizeof(struct header) <= SKEW_HEADER_BYTES, "the header outgrew its room");

static inline __attribute__((always_inline)) int64_t skewed(const struct family *f, int64_t t) {
    int64_t seen = t + f->offset;
    if (f->drift) seen += (int64_t)(((__int128)(t - f->base) * f->drift) >> 32);
    // A multiplication takes a fifth of the division's time.
    if ((uint64_t)(((unsigned __int128)(uint64_t)t * f->pace) >> 64) & 1) seen += f->strobe;
    return seen < 0 ? 0 : seen;
}

#endif
