// The parts of the helper that attaches to processes.
#ifndef QUORATE_HELPER_H
#define QUORATE_HELPER_H

#include "skew.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NS 1000000000ll
#define ALARM_S 5 // whoever waits longer for a thread gives up; the kernel lets go of all threads then

// basics.c
// Prints a message with the reason of errno, if any, and ends with code 1.
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t true_ns(int clock); // by the system call, whatever became of this process' own vDSO

// vdso.c: a process' vDSO, as it is mapped there.
enum { CLOCK_GETTIME, GETTIMEOFDAY, TIME };
struct vdso {
    int pid;
    int memory; // file descriptor of /proc/PID/mem
    uint64_t base;
    size_t size;
    uint8_t *image;                 // a copy
    uint64_t entry[SKEW_FUNCTIONS]; // addresses in the process
    uint64_t header;                // address of the installed header, or 0
    size_t free_from;               // offset of the unused end
};
struct vdso vdso_open(int pid);
void vdso_close(struct vdso *vdso);
void vdso_read(const struct vdso *vdso, void *to, size_t size, uint64_t address);
void vdso_write(const struct vdso *vdso, const void *from, size_t size, uint64_t address);

// threads.c: all threads of a process, stopped without its noticing.
struct stopped {
    int *threads;
    int *signals; // caught meanwhile, and passed on
    int count;
    int steps; // single steps made to lead threads out of bytes about to change
};
struct stopped threads_stop(int pid);
void threads_step_out(struct stopped *stopped, const struct vdso *vdso);
void threads_resume(struct stopped *stopped);

// patch.c
void patch_install(struct vdso *vdso, const struct skew *skew);
void patch_change(struct vdso *vdso, const struct skew *skew);
void patch_remove(struct vdso *vdso);
struct skew patch_get(const struct vdso *vdso);

// find.c
int find_process(const char *what); // a pid, or "mark:NAME=VALUE" in the environment

// reading.c: what the process sees, by its own patched code, without stopping it.
struct reading {
    int64_t real, mono;           // true time
    int64_t seen_real, seen_mono; // as the process sees it
};
struct reading read_as(const struct vdso *vdso);

// launch.c
_Noreturn void launch(char **argv, void (*apply)(struct skew *));

#endif
