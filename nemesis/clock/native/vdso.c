// Finds the vDSO of a process, its clock functions, and the unused room behind it.
#include "helper.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXEC_WAIT_MS 200

static const char *const NAMES[SKEW_FUNCTIONS] = {"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time"};

void vdso_read(const struct vdso *vdso, void *to, size_t size, uint64_t address) {
    if (pread(vdso->memory, to, size, (off_t)address) != (ssize_t)size) die("cannot read process %d", vdso->pid);
}

// The mapping is not writable for the process; /proc/PID/mem writes anyway, into a private copy of the page.
void vdso_write(const struct vdso *vdso, const void *from, size_t size, uint64_t address) {
    if (pwrite(vdso->memory, from, size, (off_t)address) != (ssize_t)size) die("cannot write process %d", vdso->pid);
}

static void look_for_mapping(struct vdso *vdso) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/maps", vdso->pid);
    FILE *maps = fopen(path, "r");
    if (!maps) die("no process %d", vdso->pid);
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", &from, &to) == 2) {
            vdso->base = from;
            vdso->size = to - from;
        }
    }
    fclose(maps);
}

static void find_mapping(struct vdso *vdso) {
    look_for_mapping(vdso);
    for (int i = 0; i < EXEC_WAIT_MS && !vdso->base; i++) { // in the midst of execve there is none for a moment
        usleep(1000);
        look_for_mapping(vdso);
    }
    if (!vdso->base) {
        errno = 0;
        die("process %d has no vDSO: it is dead, or the kernel was booted with vdso=0", vdso->pid);
    }
}

static const void *at(const struct vdso *vdso, uint64_t offset, size_t size) {
    if (offset > vdso->size || size > vdso->size - offset) die("the vDSO of process %d is damaged", vdso->pid);
    return vdso->image + offset;
}

static void find_functions(struct vdso *vdso, uint64_t dynamic, uint64_t slide) {
    uint64_t symbols = 0, strings = 0, hash = 0;
    for (;; dynamic += sizeof(Elf64_Dyn)) {
        const Elf64_Dyn *entry = at(vdso, dynamic, sizeof *entry);
        if (entry->d_tag == DT_NULL) break;
        if (entry->d_tag == DT_SYMTAB) symbols = entry->d_un.d_ptr - slide;
        if (entry->d_tag == DT_STRTAB) strings = entry->d_un.d_ptr - slide;
        if (entry->d_tag == DT_HASH) hash = entry->d_un.d_ptr - slide;
    }
    // Without a hash table the strings, which follow the symbols, show where these end.
    uint64_t count = hash ? ((const uint32_t *)at(vdso, hash, 8))[1] : (strings - symbols) / sizeof(Elf64_Sym);
    for (uint64_t i = 0; i < count; i++) {
        const Elf64_Sym *symbol = at(vdso, symbols + i * sizeof *symbol, sizeof *symbol);
        for (int k = 0; k < SKEW_FUNCTIONS; k++) {
            size_t length = strlen(NAMES[k]) + 1;
            uint64_t name = strings + symbol->st_name;
            if (name + length <= vdso->size && !memcmp(vdso->image + name, NAMES[k], length))
                vdso->entry[k] = vdso->base + symbol->st_value - slide;
        }
    }
    for (int k = 0; k < SKEW_FUNCTIONS; k++) {
        if (!vdso->entry[k]) die("the vDSO has no %s", NAMES[k]);
        at(vdso, vdso->entry[k] - vdso->base, SKEW_SAVED);
    }
}

// Everything behind the ELF file's last byte is unused zeros, up to the end of the page.
static void find_room(struct vdso *vdso, uint64_t elf_end) {
    size_t from = (elf_end + 15) & ~15ull;
    for (size_t i = from; i + sizeof(uint64_t) <= vdso->size; i += 16) {
        uint64_t word;
        memcpy(&word, vdso->image + i, sizeof word);
        if (word != SKEW_MAGIC) continue;
        // What a removal left behind is overwritten; what is in force has its jumps.
        if (vdso->image[vdso->entry[CLOCK_GETTIME] - vdso->base] == 0xe9) vdso->header = vdso->base + i;
        vdso->free_from = i;
        return;
    }
    for (size_t i = from; i < vdso->size; i++)
        if (vdso->image[i]) from = (i + 16) & ~15ull;
    vdso->free_from = from;
}

struct vdso vdso_open(int pid) {
    struct vdso vdso = {.pid = pid};
    char path[64];
    find_mapping(&vdso);
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    vdso.memory = open(path, O_RDWR | O_CLOEXEC);
    if (vdso.memory < 0) die("cannot open the memory of process %d", pid);
    vdso.image = malloc(vdso.size);
    if (!vdso.image) die("out of memory");
    vdso_read(&vdso, vdso.image, vdso.size, vdso.base);

    const Elf64_Ehdr *elf = at(&vdso, 0, sizeof *elf);
    if (memcmp(elf->e_ident, ELFMAG, SELFMAG) || elf->e_ident[EI_CLASS] != ELFCLASS64 || elf->e_machine != EM_X86_64)
        die("process %d is no 64-bit x86 program", pid);
    uint64_t end = elf->e_shoff + (uint64_t)elf->e_shnum * elf->e_shentsize, dynamic = 0, slide = 0;
    for (int i = 0; i < elf->e_phnum; i++) {
        const Elf64_Phdr *part = at(&vdso, elf->e_phoff + (uint64_t)i * sizeof *part, sizeof *part);
        if (part->p_type == PT_DYNAMIC) dynamic = part->p_offset;
        if (part->p_type != PT_LOAD) continue;
        slide = part->p_vaddr - part->p_offset;
        if (part->p_offset + part->p_memsz > end) end = part->p_offset + part->p_memsz;
    }
    if (!dynamic) die("the vDSO of process %d names no functions", pid);
    find_functions(&vdso, dynamic, slide);
    find_room(&vdso, end);
    return vdso;
}

void vdso_close(struct vdso *vdso) {
    close(vdso->memory);
    free(vdso->image);
}
