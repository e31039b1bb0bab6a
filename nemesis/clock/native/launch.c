// Starts a program whose first instruction already sees the skewed clock. The program keeps the pid of the helper that
// became it; a grandchild of the helper traces it across execve, patches it there, and leaves.
#include "helper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

static _Noreturn void trace(int pid, int ready, void (*apply)(struct skew *)) {
    if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXEC) < 0) die("may not trace process %d", pid);
    if (write(ready, "", 1) != 1) die("the launched process is gone");
    for (;;) {
        int status;
        if (waitpid(pid, &status, __WALL) < 0 || !WIFSTOPPED(status)) _exit(1); // execve failed and it ended
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) break;
        ptrace(PTRACE_CONT, pid, 0, (long)WSTOPSIG(status));
    }
    struct vdso vdso = vdso_open(pid);
    struct skew skew = {0};
    apply(&skew);
    patch_install(&vdso, &skew);
    ptrace(PTRACE_DETACH, pid, 0, 0);
    _exit(0);
}

_Noreturn void launch(char **argv, void (*apply)(struct skew *)) {
    int ready[2], self = getpid();
    char byte;
    if (!argv[0]) die("exec: no program is named");
    if (pipe2(ready, O_CLOEXEC)) die("no pipe");
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); // where Yama restricts tracing to children
    int child = fork();
    if (child < 0) die("cannot fork");
    if (!child) {
        if (fork()) _exit(0);
        close(ready[0]);
        setsid();
        trace(self, ready[1], apply);
    }
    close(ready[1]);
    waitpid(child, NULL, 0);
    if (read(ready[0], &byte, 1) != 1) die("the tracer failed");
    close(ready[0]);
    execvp(argv[0], argv);
    die("cannot execute %s", argv[0]);
}
