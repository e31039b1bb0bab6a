// Reads the clock exactly as a process does, without touching it: its vDSO, patched or not, is copied over this
// process' own, and called. Both stand before the same data of the same kernel, so the same bytes give the same time.
#include "helper.h"

#include <stdlib.h>
#include <unistd.h>

#define TRIES 200
#define CLOSE_NS 2000 // a seen time between two true ones this close is exact enough

typedef int clock_function(int clock, struct timespec *time);

static int64_t call(clock_function *function, int clock) {
    struct timespec time;
    if (function(clock, &time)) die("the clock of the process fails");
    return time.tv_sec * NS + time.tv_nsec;
}

// A pair of true and seen time of one moment: of several tries the closest.
static void sample(clock_function *function, int clock, int64_t *true_time, int64_t *seen) {
    int64_t closest = INT64_MAX;
    for (int i = 0; i < TRIES && closest > CLOSE_NS; i++) {
        int64_t before = true_ns(clock), now = call(function, clock), after = true_ns(clock);
        if (after - before >= closest) continue;
        closest = after - before;
        *true_time = before + (after - before) / 2;
        *seen = now;
    }
}

struct reading read_as(const struct vdso *vdso) {
    struct vdso own = vdso_open(getpid());
    if (own.size != vdso->size) die("process %d runs on another kernel's vDSO", vdso->pid);
    vdso_write(&own, vdso->image, own.size, own.base);
    clock_function *function = (clock_function *)(own.base + (vdso->entry[CLOCK_GETTIME] - vdso->base));
    struct reading reading;
    sample(function, CLOCK_REALTIME, &reading.real, &reading.seen_real);
    sample(function, CLOCK_MONOTONIC, &reading.mono, &reading.seen_mono);
    return reading; // this process' own vDSO stays replaced: it reads true time by system calls only
}
