// Puts the shim behind the vDSO of a stopped process and leads its clock functions there; changes it; takes it out.
#include "helper.h"

#include <stdlib.h>
#include <string.h>

extern const uint8_t __start_shim[], __stop_shim[]; // by the linker
extern const uint8_t shim_header[], shim_original[], shim_clock_gettime[], shim_gettimeofday[], shim_time[];

static const uint8_t *const SHIMS[SKEW_FUNCTIONS] = {shim_clock_gettime, shim_gettimeofday, shim_time};
#define JUMP_BYTES 5
#define ORIGINAL_BYTES 40 // room at shim_original

static void jump(uint8_t *code, uint64_t at, uint64_t to) {
    int32_t relative = (int32_t)(to - (at + JUMP_BYTES));
    code[0] = 0xe9;
    memcpy(code + 1, &relative, sizeof relative);
}

// Length of one instruction that does the same wherever it stands, or 0 for one that this decoder does not know.
static int movable(const uint8_t *code) {
    int rex = (code[0] & 0xf0) == 0x40;
    const uint8_t *op = code + rex;
    int registers_only = op[1] >> 6 == 3;
    if (code[0] == 0xf3 && code[1] == 0x0f && code[2] == 0x1e && code[3] == 0xfa) return 4; // endbr64
    if (op[0] >= 0x50 && op[0] <= 0x57) return rex + 1;                                     // push
    if ((op[0] == 0x89 || op[0] == 0x8b || op[0] == 0x31 || op[0] == 0x33 || op[0] == 0x85) && registers_only)
        return rex + 2;                                         // mov, xor, test between registers
    if (op[0] == 0x83 && registers_only) return rex + 3;        // add, and, sub, cmp with a byte
    if (op[0] >= 0xb8 && op[0] <= 0xbf && !rex) return 1 + 4;   // mov of four bytes
    return 0;
}

// Moves the first whole instructions of the true function to shim_original, so that true time costs no system call.
// Where they cannot be moved the system call stays.
static void borrow_beginning(const struct vdso *vdso, uint8_t *blob, uint64_t blob_at) {
    const uint8_t *code = vdso->image + (vdso->entry[CLOCK_GETTIME] - vdso->base);
    int length = 0;
    while (length < JUMP_BYTES) {
        int one = movable(code + length);
        if (!one) return;
        length += one;
    }
    if (length > ORIGINAL_BYTES - JUMP_BYTES) return;
    uint64_t offset = shim_original - __start_shim;
    memcpy(blob + offset, code, length);
    jump(blob + offset + length, blob_at + offset + length, vdso->entry[CLOCK_GETTIME] + length);
}

void patch_install(struct vdso *vdso, const struct skew *skew) {
    size_t size = __stop_shim - __start_shim;
    if (vdso->free_from + size > vdso->size)
        die("this kernel's vDSO leaves %zu bytes, %zu are needed", vdso->size - vdso->free_from, size);
    uint64_t blob_at = vdso->base + vdso->free_from;
    uint8_t *blob = malloc(size);
    if (!blob) die("out of memory");
    memcpy(blob, __start_shim, size);
    struct header header = {.magic = SKEW_MAGIC, .block = {*skew}};
    for (int k = 0; k < SKEW_FUNCTIONS; k++)
        memcpy(header.saved[k], vdso->image + (vdso->entry[k] - vdso->base), SKEW_SAVED);
    memcpy(blob + (shim_header - __start_shim), &header, sizeof header);
    borrow_beginning(vdso, blob, blob_at);
    vdso_write(vdso, blob, size, blob_at);
    free(blob);
    for (int k = 0; k < SKEW_FUNCTIONS; k++) {
        uint8_t code[SKEW_SAVED];
        memcpy(code, header.saved[k], sizeof code);
        jump(code, vdso->entry[k], blob_at + (SHIMS[k] - __start_shim));
        vdso_write(vdso, code, sizeof code, vdso->entry[k]);
    }
    vdso->header = blob_at + (shim_header - __start_shim);
}

static struct header installed(const struct vdso *vdso) {
    struct header header;
    vdso_read(vdso, &header, sizeof header, vdso->header);
    return header;
}

struct skew patch_get(const struct vdso *vdso) {
    if (!vdso->header) return (struct skew){0};
    struct header header = installed(vdso);
    return header.block[header.current % SKEW_BLOCKS];
}

void patch_change(struct vdso *vdso, const struct skew *skew) {
    uint64_t next = installed(vdso).current + 1;
    uint64_t block = vdso->header + offsetof(struct header, block) + next % SKEW_BLOCKS * sizeof *skew;
    vdso_write(vdso, skew, sizeof *skew, block);
    vdso_write(vdso, &next, sizeof next, vdso->header + offsetof(struct header, current));
}

void patch_remove(struct vdso *vdso) {
    struct header header = installed(vdso);
    for (int k = 0; k < SKEW_FUNCTIONS; k++)
        vdso_write(vdso, header.saved[k], SKEW_SAVED, vdso->entry[k]);
    vdso->header = 0;
}
