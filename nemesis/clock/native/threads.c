// Stops all threads of a process by ptrace. Neither the process nor its parent sees a signal or a stop; signals that
// arrive meanwhile are kept and passed on; a process that SIGSTOP holds stays held.
#include "helper.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS_MAX 65536
#define STEPS_MAX 64

static bool known(const struct stopped *stopped, int thread) {
    for (int i = 0; i < stopped->count; i++)
        if (stopped->threads[i] == thread) return true;
    return false;
}

static void interrupt_new(struct stopped *stopped, int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks) die("no process %d", pid);
    for (struct dirent *entry; (entry = readdir(tasks));) {
        int thread = atoi(entry->d_name);
        if (!thread || known(stopped, thread)) continue;
        if (stopped->count == THREADS_MAX) die("process %d has more than %d threads", pid, THREADS_MAX);
        if (ptrace(PTRACE_SEIZE, thread, 0, 0) < 0) {
            if (errno == ESRCH) continue; // ended between the listing and now
            die("may not trace process %d (its user or CAP_SYS_PTRACE is needed)", pid);
        }
        ptrace(PTRACE_INTERRUPT, thread, 0, 0);
        stopped->threads[stopped->count] = thread;
        stopped->signals[stopped->count++] = 0;
    }
    closedir(tasks);
}

// On a busy machine the process would stand still for as long as this one waits for its turn.
static void hurry(void) {
    struct sched_param first = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO, &first)) setpriority(PRIO_PROCESS, 0, -20); // or as fast as may be
    errno = 0;
}

struct stopped threads_stop(int pid) {
    hurry();
    struct stopped stopped = {
        .threads = calloc(THREADS_MAX, sizeof(int)),
        .signals = calloc(THREADS_MAX, sizeof(int)),
    };
    if (!stopped.threads || !stopped.signals) die("out of memory");
    alarm(ALARM_S);
    for (int waited = 0;;) { // until a listing shows no thread that was not stopped before
        interrupt_new(&stopped, pid);
        if (waited == stopped.count) break;
        for (; waited < stopped.count; waited++) {
            int status;
            if (waitpid(stopped.threads[waited], &status, __WALL) < 0 || !WIFSTOPPED(status))
                stopped.threads[waited] = -1;
            else if (status >> 16 != PTRACE_EVENT_STOP)
                stopped.signals[waited] = WSTOPSIG(status);
        }
    }
    alarm(0);
    return stopped;
}

static bool inside(const struct vdso *vdso, uint64_t at) {
    for (int k = 0; k < SKEW_FUNCTIONS; k++)
        if (at > vdso->entry[k] && at < vdso->entry[k] + SKEW_SAVED) return true;
    return false;
}

// A thread in the first few bytes of a function would continue in the middle of the jump.
void threads_step_out(struct stopped *stopped, const struct vdso *vdso) {
    for (int i = 0; i < stopped->count; i++) {
        if (stopped->threads[i] < 0) continue;
        for (int turn = 0; turn < STEPS_MAX; turn++) {
            struct user_regs_struct registers;
            int status;
            if (ptrace(PTRACE_GETREGS, stopped->threads[i], 0, &registers) < 0) break;
            if (!inside(vdso, registers.rip)) break;
            stopped->steps++;
            ptrace(PTRACE_SINGLESTEP, stopped->threads[i], 0, 0);
            if (waitpid(stopped->threads[i], &status, __WALL) < 0 || !WIFSTOPPED(status)) {
                stopped->threads[i] = -1;
                break;
            }
            if (WSTOPSIG(status) != SIGTRAP && status >> 16 != PTRACE_EVENT_STOP)
                stopped->signals[i] = WSTOPSIG(status);
        }
    }
}

void threads_resume(struct stopped *stopped) {
    for (int i = 0; i < stopped->count; i++)
        if (stopped->threads[i] > 0) ptrace(PTRACE_DETACH, stopped->threads[i], 0, (long)stopped->signals[i]);
    free(stopped->threads);
    free(stopped->signals);
    stopped->threads = stopped->signals = NULL;
}
