// The code that is copied into a process, behind its vDSO. Position independent, reads but never writes its data, uses
// general registers only (compiled with -mgeneral-regs-only), and keeps no state.
#include "skew.h"

#include <sys/time.h>
#include <time.h>

// shim_original reads the true clock. As compiled it makes the system call; the installer puts the first instructions
// of the vDSO's own function there instead, and a jump to the rest of it, where it can.
__asm__(".pushsection shim,\"ax\",@progbits\n"
        ".balign 16\n"
        ".globl shim_header, shim_original\n"
        ".hidden shim_header, shim_original\n"
        "shim_header: .zero 384\n"
        "shim_original: mov $228,%eax\n syscall\n ret\n .zero 32\n"
        ".balign 16\n"
        ".popsection");

extern const struct header shim_header __attribute__((visibility("hidden")));
int shim_original(int clock, struct timespec *time) __attribute__((visibility("hidden")));

#define SHIM __attribute__((section("shim"), used, noinline))
#define SECOND 1000000000ll

static inline __attribute__((always_inline)) int64_t seen_at(struct timespec now, int family) {
    const struct skew *skew = &shim_header.block[shim_header.current % SKEW_BLOCKS];
    return skewed(&skew->family[family], now.tv_sec * SECOND + now.tv_nsec);
}

SHIM int shim_clock_gettime(int clock, struct timespec *time) {
    int failed = shim_original(clock, time);
    if (failed || (unsigned)clock > CLOCK_TAI) return failed;
    unsigned bit = 1u << clock;
    int family;
    if (bit & (1u << CLOCK_REALTIME | 1u << CLOCK_REALTIME_COARSE | 1u << CLOCK_TAI))
        family = REAL;
    else if (bit & (1u << CLOCK_MONOTONIC | 1u << CLOCK_MONOTONIC_RAW | 1u << CLOCK_MONOTONIC_COARSE |
                    1u << CLOCK_BOOTTIME))
        family = MONO;
    else
        return 0; // processor time is not skewed
    int64_t seen = seen_at(*time, family);
    time->tv_sec = seen / SECOND;
    time->tv_nsec = seen % SECOND;
    return 0;
}

SHIM int shim_gettimeofday(struct timeval *time, struct timezone *zone) {
    if (zone) { // the zone comes from the kernel; no program of this century asks for it
        long failed;
        __asm__ volatile("syscall" : "=a"(failed) : "0"(96), "D"(0), "S"(zone) : "rcx", "r11", "memory");
        if (failed) return (int)failed;
    }
    if (time) {
        struct timespec now;
        shim_original(CLOCK_REALTIME, &now);
        int64_t seen = seen_at(now, REAL);
        time->tv_sec = seen / SECOND;
        time->tv_usec = seen % SECOND / 1000;
    }
    return 0;
}

SHIM long shim_time(long *result) {
    struct timespec now;
    shim_original(CLOCK_REALTIME_COARSE, &now);
    long seen = seen_at(now, REAL) / SECOND;
    if (result) *result = seen;
    return seen;
}
