// What every part of the helper stands on: giving up with a reason, and the true time.
#include "helper.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

_Noreturn void die(const char *format, ...) {
    int number = errno;
    va_list arguments;
    va_start(arguments, format);
    fputs("quorate-clock: ", stderr);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, number ? ": %s\n" : "\n", strerror(number));
    va_end(arguments);
    exit(1);
}

int64_t true_ns(int clock) {
    struct timespec time;
    if (syscall(SYS_clock_gettime, clock, &time)) die("clock_gettime");
    return time.tv_sec * NS + time.tv_nsec;
}
