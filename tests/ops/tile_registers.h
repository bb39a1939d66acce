/* tests/ops/tile_registers.h - AMX for CPUs that lack it: tile instructions are caught as
 * the illegal instructions they are there, and done in C, as the Intel 64 and IA-32
 * Architectures Software Developer's Manual, volume 2, describes them. So the machine
 * code that runs elsewhere is what is tested. Where the CPU has AMX nothing is caught.
 *
 * It knows the instructions that ops/amx uses, and ends the program where the CPU would
 * fault: shapes that are none or do not match, other instructions. A thread has its own
 * registers.
 */
#ifndef CADRE_TESTS_TILE_REGISTERS_H
#define CADRE_TESTS_TILE_REGISTERS_H

#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ucontext.h>
#include <unistd.h>

enum { N_TILES = 8, MAX_TILE_ROWS = 16, MAX_ROW_BYTES = 64 };

typedef struct tile_register {
    size_t rows, row_bytes; /* 0: none */
    _Alignas(64) uint8_t data[MAX_TILE_ROWS][MAX_ROW_BYTES];
} tile_register;

static _Thread_local tile_register tile_registers[N_TILES];
static _Thread_local size_t tile_products; /* instructions caught that multiply */

/* A VEX-coded instruction: C4, two bytes of prefix, opcode, ModRM, operands. */
typedef struct instruction {
    unsigned prefix; /* 0: none, 1: 66, 2: F3, 3: F2 */
    unsigned opcode, mod, reg, rm, vvvv;
    size_t length;
    const uint8_t *base; /* of a memory operand, with its displacement */
    ptrdiff_t index;     /* times its scale */
} instruction;

static void tile_fault(const char *what)
{
    const char *const parts[] = {"tile registers: ", what, "\n"};

    for (size_t i = 0; i < 3; i++)
        if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
            break;
    abort();
}

/* ---- Reading an instruction ---- */

static int64_t general_register(const ucontext_t *context, unsigned number)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
    return context->uc_mcontext.gregs[order[number]];
}

static int32_t displacement(const uint8_t *at, size_t bytes)
{
    int32_t wide = 0;

    if (bytes == 1)
        return (int8_t)at[0];
    memcpy(&wide, at, bytes);
    return wide;
}

/* The memory operand after ModRM at p[4]; high bits of index and base come from the
 * prefix. */
static void read_operand(const ucontext_t *context, const uint8_t *p, instruction *out)
{
    const unsigned index_high = p[1] & 0x40 ? 0 : 8, base_high = p[1] & 0x20 ? 0 : 8;
    size_t bytes = out->mod == 1 ? 1 : out->mod == 2 ? 4 : 0;
    unsigned base = out->rm;
    int64_t address = 0;

    if (out->rm == 4) { /* a SIB byte */
        const unsigned index = (p[5] >> 3 & 7) | index_high;
        base = p[5] & 7;
        out->length++;
        if (index != 4)
            out->index = (ptrdiff_t)general_register(context, index) << (p[5] >> 6);
    }
    const bool no_base = base == 5 && out->mod == 0;
    if (no_base)
        bytes = 4;
    out->length += bytes;
    address = displacement(p + out->length - bytes, bytes);
    if (!no_base)
        address += general_register(context, base | base_high);
    else if (out->rm == 5) /* relative to the next instruction */
        address += (int64_t)(intptr_t)(p + out->length);
    out->base = (const uint8_t *)(intptr_t)address;
}

/* Whether p is an instruction of the form that those of AMX have. */
static bool read_instruction(const ucontext_t *context, const uint8_t *p,
                             instruction *out)
{
    if (p[0] != 0xc4 || (p[1] & 0x1f) != 2 || (p[2] & 0x84) != 0)
        return false;
    *out = (instruction){.prefix = p[2] & 3,
                         .opcode = p[3],
                         .mod = p[4] >> 6,
                         .reg = p[4] >> 3 & 7,
                         .rm = p[4] & 7,
                         .vvvv = ~(unsigned)p[2] >> 3 & 15,
                         .length = 5};
    if (out->mod != 3)
        read_operand(context, p, out);
    return true;
}

/* ---- Doing it ---- */

static void load_shapes(const uint8_t *from)
{
    if (from[0] != 1)
        tile_fault("ldtilecfg of another palette than 1");
    for (size_t i = 1; i < 64; i++)
        if ((i < 16 || (i >= 32 && i < 48) || i >= 56) && from[i] != 0)
            tile_fault("ldtilecfg of reserved bytes that are not 0");
    for (size_t i = 0; i < N_TILES; i++) {
        const size_t rows = from[48 + i];
        const size_t row_bytes = from[16 + 2 * i] | (size_t)from[17 + 2 * i] << 8;
        if (rows > MAX_TILE_ROWS || row_bytes > MAX_ROW_BYTES ||
            (rows == 0) != (row_bytes == 0))
            tile_fault("ldtilecfg of a shape that cannot be");
        tile_registers[i] = (tile_register){.rows = rows, .row_bytes = row_bytes};
    }
}

static tile_register *shaped(unsigned number)
{
    if (number >= N_TILES || tile_registers[number].rows == 0)
        tile_fault("a register without a shape");
    return &tile_registers[number];
}

static void load_tile(tile_register *t, const uint8_t *from, ptrdiff_t distance)
{
    memset(t->data, 0, sizeof t->data);
    for (size_t r = 0; r < t->rows; r++)
        memcpy(t->data[r], from + (ptrdiff_t)r * distance, t->row_bytes);
}

static void store_tile(const tile_register *t, uint8_t *to, ptrdiff_t distance)
{
    for (size_t r = 0; r < t->rows; r++)
        memcpy(to + (ptrdiff_t)r * distance, t->data[r], t->row_bytes);
}

/* 4 bytes of a row. */
static uint32_t tile_element(const tile_register *t, size_t row, size_t column)
{
    uint32_t element;

    memcpy(&element, t->data[row] + 4 * column, 4);
    return element;
}

static void set_tile_element(tile_register *t, size_t row, size_t column,
                             uint32_t element)
{
    memcpy(t->data[row] + 4 * column, &element, 4);
}

/* c + the products of four signed bytes each of k elements. */
static uint32_t add_bytes(uint32_t c, const tile_register *a, const tile_register *b,
                          size_t row, size_t column)
{
    for (size_t k = 0; k < a->row_bytes / 4; k++) {
        const uint32_t x = tile_element(a, row, k), w = tile_element(b, k, column);
        for (unsigned shift = 0; shift < 32; shift += 8)
            c += (uint32_t)((int8_t)(x >> shift) * (int8_t)(w >> shift));
    }
    return c;
}

/* A denormal counts as zero. */
static float without_denormal(float x)
{
    return fpclassify(x) == FP_SUBNORMAL ? copysignf(0, x) : x;
}

static float bits_as_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return without_denormal(x);
}

/* c + (a chain of the even products + a chain of the odd ones). */
static uint32_t add_bf16s(uint32_t c, const tile_register *a, const tile_register *b,
                          size_t row, size_t column)
{
    float even = 0, odd = 0;

    for (size_t k = 0; k < a->row_bytes / 4; k++) {
        const uint32_t x = tile_element(a, row, k), w = tile_element(b, k, column);
        even = fmaf(bits_as_float(x << 16), bits_as_float(w << 16), even);
        odd = fmaf(bits_as_float(x & 0xffff0000u), bits_as_float(w & 0xffff0000u), odd);
        even = without_denormal(even);
        odd = without_denormal(odd);
    }
    const float sum = without_denormal(bits_as_float(c) + without_denormal(even + odd));
    memcpy(&c, &sum, sizeof c);
    return c;
}

typedef uint32_t add_products_fn(uint32_t c, const tile_register *a,
                                 const tile_register *b, size_t row, size_t column);

static void multiply_tiles(const instruction *i, add_products_fn *add)
{
    tile_register *c = shaped(i->reg);
    const tile_register *a = shaped(i->rm), *b = shaped(i->vvvv);

    if (c == a || c == b || a == b)
        tile_fault("a register that is two operands");
    if (a->row_bytes % 4 != 0 || c->row_bytes % 4 != 0 || c->rows != a->rows ||
        c->row_bytes != b->row_bytes || a->row_bytes / 4 != b->rows)
        tile_fault("a product of shapes that do not match");
    for (size_t row = 0; row < c->rows; row++)
        for (size_t column = 0; column < c->row_bytes / 4; column++)
            set_tile_element(c, row, column,
                             add(tile_element(c, row, column), a, b, row, column));
    tile_products++;
}

static bool run_instruction(const instruction *i)
{
    const bool memory = i->mod != 3;
    const unsigned which = i->opcode << 8 | i->prefix << 4 | (memory ? 1 : 0);

    if (which == 0x4901) /* ldtilecfg */
        load_shapes(i->base);
    else if (which == 0x4900) /* tilerelease */
        memset(tile_registers, 0, sizeof tile_registers);
    else if (which == 0x4930) /* tilezero */
        memset(shaped(i->reg)->data, 0, sizeof tile_registers->data);
    else if (which == 0x4b31) /* tileloadd */
        load_tile(shaped(i->reg), i->base, i->index);
    else if (which == 0x4b21) /* tilestored */
        store_tile(shaped(i->reg), (uint8_t *)(uintptr_t)i->base, i->index);
    else if (which == 0x5e30) /* tdpbssd */
        multiply_tiles(i, add_bytes);
    else if (which == 0x5c20) /* tdpbf16ps */
        multiply_tiles(i, add_bf16s);
    else
        return false;
    return true;
}

static void catch_instruction(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    instruction i;

    (void)signal_number;
    if (!read_instruction(c, info->si_addr, &i) || !run_instruction(&i))
        tile_fault("an instruction that is unknown here");
    c->uc_mcontext.gregs[REG_RIP] += (greg_t)i.length;
}

/* From within a test: cmocka has its own handler before each. */
static inline void catch_tile_instructions(void)
{
    struct sigaction action = {.sa_sigaction = catch_instruction, .sa_flags = SA_SIGINFO};

    sigemptyset(&action.sa_mask);
    if (sigaction(SIGILL, &action, NULL) != 0)
        abort();
}

#endif
