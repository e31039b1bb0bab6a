// quorate-clock: the clocks of one process, skewed and set right again. No other process and no host clock is touched.
//
//   quorate-clock set WHO OPTIONS     install, or change what is installed
//   quorate-clock read WHO            true time, and time as the process sees it
//   quorate-clock remove WHO          put the process' own clock functions back
//   quorate-clock exec OPTIONS -- CMD start a program under skew
//   quorate-clock host                true time
// WHO is a pid, or mark:NAME=VALUE. OPTIONS for real and mono (times in nanoseconds):
//   --real-offset=NS  --real-rate=1.5  --real-strobe=PERIOD,OFFSET
// A new rate starts from the time that the process sees now; a new offset replaces the old one. Answers are one line
// of JSON on stdout; errors one line on stderr, and code 1.
#include "helper.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRIFT_ONE 4294967296.0
#define TWO_64 18446744073709551616.0
#define RATE_MAX 1000.0

struct wish {
    bool has_offset, has_rate, has_strobe;
    int64_t offset, period, strobe;
    double rate;
};
static struct wish wishes[FAMILIES];

static int64_t integer(const char *text, char until) {
    char *end;
    errno = 0;
    int64_t value = strtoll(text, &end, 10);
    if (errno || end == text || *end != until) die("\"%s\" is no number of nanoseconds", text);
    return value;
}

static bool option(const char *text) {
    int family;
    if (!strncmp(text, "--real-", 7))
        family = REAL;
    else if (!strncmp(text, "--mono-", 7))
        family = MONO;
    else
        return false;
    struct wish *wish = &wishes[family];
    text += 7;
    if (!strncmp(text, "offset=", 7)) {
        wish->has_offset = true;
        wish->offset = integer(text + 7, 0);
    } else if (!strncmp(text, "rate=", 5)) {
        char *end;
        wish->has_rate = true;
        wish->rate = strtod(text + 5, &end);
        if (*end || !(wish->rate >= 0 && wish->rate <= RATE_MAX)) die("\"%s\" is no rate", text + 5);
    } else if (!strncmp(text, "strobe=", 7)) {
        const char *comma = strchr(text, ',');
        if (!comma) die("write --real-strobe=PERIOD,OFFSET");
        wish->has_strobe = true;
        wish->period = integer(text + 7, ',');
        wish->strobe = integer(comma + 1, 0);
        if (wish->period < 0 || wish->period == 1) die("a period is 2 ns or longer, or 0 for none");
    } else {
        return false;
    }
    return true;
}

static void apply(struct skew *skew) {
    for (int k = 0; k < FAMILIES; k++) {
        const struct wish *wish = &wishes[k];
        struct family *family = &skew->family[k];
        int64_t now = true_ns(k == REAL ? CLOCK_REALTIME : CLOCK_MONOTONIC);
        if (wish->has_rate) {
            struct family steady = *family;
            steady.pace = 0;
            family->offset = skewed(&steady, now) - now;
            family->base = now;
            family->drift = (int64_t)((wish->rate - 1) * DRIFT_ONE);
        }
        if (wish->has_offset) {
            family->offset = wish->offset;
            family->base = now;
        }
        if (wish->has_strobe) {
            family->pace = wish->period ? (uint64_t)(TWO_64 / (double)wish->period) : 0;
            family->strobe = wish->strobe;
        }
    }
}

static void do_set(int pid) {
    struct vdso vdso = vdso_open(pid);
    if (vdso.header) { // no stop is needed for a change
        struct skew skew = patch_get(&vdso);
        apply(&skew);
        patch_change(&vdso, &skew);
        printf("{\"pid\": %d, \"installed\": false, \"threads\": 0, \"steps\": 0, \"stopped_us\": 0}\n", pid);
        return;
    }
    struct skew skew = {0};
    int64_t begin = true_ns(CLOCK_MONOTONIC);
    struct stopped stopped = threads_stop(pid);
    threads_step_out(&stopped, &vdso);
    apply(&skew);
    patch_install(&vdso, &skew);
    int count = stopped.count, steps = stopped.steps;
    threads_resume(&stopped);
    int64_t length = true_ns(CLOCK_MONOTONIC) - begin;
    printf("{\"pid\": %d, \"installed\": true, \"threads\": %d, \"steps\": %d, \"stopped_us\": %" PRId64 "}\n", pid,
           count, steps, length / 1000);
}

static void do_remove(int pid) {
    struct vdso vdso = vdso_open(pid);
    int64_t begin = true_ns(CLOCK_MONOTONIC);
    bool was_installed = vdso.header != 0;
    if (was_installed) {
        struct stopped stopped = threads_stop(pid);
        threads_step_out(&stopped, &vdso);
        patch_remove(&vdso);
        threads_resume(&stopped);
    }
    int64_t length = true_ns(CLOCK_MONOTONIC) - begin;
    printf("{\"pid\": %d, \"removed\": %s, \"stopped_us\": %" PRId64 "}\n", pid, was_installed ? "true" : "false",
           was_installed ? length / 1000 : 0);
}

static void do_read(int pid) {
    struct vdso vdso = vdso_open(pid);
    struct skew skew = patch_get(&vdso);
    struct reading now = read_as(&vdso);
    printf("{\"pid\": %d, \"patched\": %s", pid, vdso.header ? "true" : "false");
    static const char *const names[FAMILIES] = {"real", "mono"};
    const int64_t truth[FAMILIES] = {now.real, now.mono}, seen[FAMILIES] = {now.seen_real, now.seen_mono};
    for (int k = 0; k < FAMILIES; k++) {
        const struct family *family = &skew.family[k];
        printf(", \"%s\": {\"true_ns\": %" PRId64 ", \"seen_ns\": %" PRId64 ", \"rate\": %.9f, \"period_ns\": %" PRId64
               ", \"strobe_ns\": %" PRId64 "}",
               names[k], truth[k], seen[k], 1 + (double)family->drift / DRIFT_ONE,
               family->pace ? (int64_t)(TWO_64 / (double)family->pace) : 0, family->strobe);
    }
    printf("}\n");
}

static void do_host(void) {
    printf("{\"real_ns\": %" PRId64 ", \"mono_ns\": %" PRId64 "}\n", true_ns(CLOCK_REALTIME), true_ns(CLOCK_MONOTONIC));
}

int main(int count, char **words) {
    const char *command = count > 1 ? words[1] : "";
    int i = 2;
    if (!strcmp(command, "host")) {
        do_host();
        return 0;
    }
    if (!strcmp(command, "exec")) {
        for (; i < count && strcmp(words[i], "--"); i++)
            if (!option(words[i])) die("unknown option %s", words[i]);
        if (i == count) die("write exec OPTIONS -- PROGRAM");
        launch(words + i + 1, apply);
    }
    if (count < 3) die("write set, read or remove, and a process; or exec, or host");
    int pid = find_process(words[2]);
    errno = 0;
    for (i = 3; i < count; i++)
        if (!option(words[i])) die("unknown option %s", words[i]);
    if (!strcmp(command, "set"))
        do_set(pid);
    else if (!strcmp(command, "remove"))
        do_remove(pid);
    else if (!strcmp(command, "read"))
        do_read(pid);
    else
        die("unknown command %s", command);
    return 0;
}
