// Finds a process by its pid, or by a line of its environment where pids are another namespace's.
#include "helper.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENVIRONMENT_MAX (1 << 20)

// Whether the value is the wanted one, or ends in it behind a slash: a shared host's marks begin with the run.
static bool matches(const char *line, const char *wanted) {
    const char *value = strchr(wanted, '=');
    size_t name = value ? (size_t)(value - wanted) + 1 : strlen(wanted);
    if (strncmp(line, wanted, name)) return false;
    size_t have = strlen(line + name), want = strlen(wanted + name);
    if (have < want || strcmp(line + name + have - want, wanted + name)) return false;
    return have == want || line[name + have - want - 1] == '/';
}

static bool has_line(int pid, const char *line, char *buffer) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    size_t size = 0;
    for (ssize_t got; size < ENVIRONMENT_MAX && (got = read(file, buffer + size, ENVIRONMENT_MAX - size)) > 0;)
        size += got;
    close(file);
    buffer[size] = 0;
    for (size_t i = 0; i < size; i += strlen(buffer + i) + 1)
        if (matches(buffer + i, line)) return true;
    return false;
}

// The parent's pid, 0 where that is in another pid namespace, or -1 for what is dead.
static int parent_of(int pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    int parent = -1;
    char *end = strrchr(text, ')'), state; // the name before it may hold anything
    return end && sscanf(end + 1, " %c %d", &state, &parent) == 2 && state != 'Z' ? parent : -1;
}

int find_process(const char *what) {
    if (strncmp(what, "mark:", 5)) {
        char *end;
        long pid = strtol(what, &end, 10);
        if (pid <= 0 || pid > INT32_MAX || *end) die("\"%s\" is no process id", what);
        return (int)pid;
    }
    const char *line = what + 5;
    char *buffer = malloc(ENVIRONMENT_MAX + 1);
    DIR *all = opendir("/proc");
    if (!buffer || !all) die("cannot list processes");
    int found = 0;
    for (struct dirent *entry; (entry = readdir(all));) {
        int pid = atoi(entry->d_name), parent;
        if (!pid || pid == getpid() || !has_line(pid, line, buffer)) continue;
        // The server's own children have the line as well: the one whose parent has not is the server.
        parent = parent_of(pid);
        if (parent >= 0 && !(parent && has_line(parent, line, buffer))) found = pid;
    }
    closedir(all);
    free(buffer);
    if (!found) die("no process has %s in its environment", line);
    return found;
}
