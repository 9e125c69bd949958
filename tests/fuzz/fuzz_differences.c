/* Fuzz the native codec of differences, by itself or under libFuzzer or AFL++. From the repository's root:

       NATIVE="-I src/budwood/store/native $(find src/budwood/store/native -name "*.c")"
       cc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all tests/fuzz/fuzz_differences.c $NATIVE -o fuzz
       ./fuzz 1000000 1                      so many executions from this seed, with a mutator of its own
       ./fuzz crash-...                      one input, as libFuzzer and AFL++ write them
       clang -g -O1 -DLIBFUZZER -fsanitize=fuzzer,address,undefined tests/fuzz/fuzz_differences.c $NATIVE -o fuzz
       afl-clang-fast -O2 tests/fuzz/fuzz_differences.c $NATIVE -o fuzz && afl-fuzz -i SEEDS -o FOUND ./fuzz @@

   Each input is read as a block, where the scalar and the vector path must agree, and taken as weights, which must be
   the same after writing and reading. Every buffer is exactly as long as it claims, so that the sanitizer sees one byte
   too far. ./fuzz --seeds FOLDER writes the blocks that the mutator starts from. */

#include <stdio.h>
#include <stdlib.h>

#include "budwood.h"

uint64_t bw_read_room(void);
uint64_t bw_write_room(void);
uint64_t bw_tables_room(void);
int bw_delta_read(const uint8_t *, uint64_t, const uint8_t *, uint64_t, const uint8_t *, uint64_t, const uint8_t *,
                  uint64_t, const uint8_t *, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint8_t *, uint64_t,
                  void *, uint64_t, int);
int bw_delta_write(const uint8_t *, uint64_t, const uint8_t *, uint64_t, uint32_t, uint32_t, uint8_t *, uint64_t,
                   uint8_t *, uint64_t, uint8_t *, uint64_t, uint8_t *, uint64_t, void *, uint64_t, uint32_t *, int);

enum { HEAD = 16, KNOBS = 3, SEEDS = 24, LONGEST = 1 << 16 };

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static uint64_t chance = 1;

static uint32_t random32(void) {
    chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
    return (uint32_t)(chance >> 16);
}

static uint8_t *exactly(const uint8_t *bytes, size_t length) {
    uint8_t *copy = malloc(length);
    MUST(copy || !length);
    if (length) memcpy(copy, bytes, length);
    return copy;
}

/* Weights as a base has them: exponents near each other, the rest noise. */
static uint8_t *make_base(size_t length, uint32_t seed) {
    uint8_t *base = malloc(length + 1);
    uint64_t kept = chance;
    chance = seed * 2654435761u + 1;
    for (size_t at = 0; at < length; at++) base[at] = (uint8_t)(at & 1 ? 0x3a + (random32() & 3) : random32());
    chance = kept;
    return base;
}

static void *room_for_reading, *room_for_writing;

/* -- one block, read on both paths -- */

static int read_on(int path, const uint8_t *block, size_t length, const uint8_t *base, size_t base_length,
                   uint8_t *out, size_t words) {
    const uint32_t width = block[0], lanes = 1u << (block[3] & 15);
    uint64_t lengths[4] = {load32(block + 4), 4ull * lanes, load32(block + 8), load32(block + 12)}, at = HEAD;
    uint8_t *parts[4];
    if (width == 0 || width > 8) return DAMAGED;
    /* The sum is the Python side's to check. What is left decides, so that mutated lengths reach the codec too. */
    for (int part = 0; part < 4; part++) {
        if (lengths[part] > length - at) lengths[part] = length - at;
        parts[part] = exactly(block + at, lengths[part]);
        at += lengths[part];
    }
    int answer = bw_delta_read(parts[0], lengths[0], parts[1], lengths[1], parts[2], lengths[2], parts[3], lengths[3],
                               base, base_length, width, block[1], block[2], lanes, out, words * width,
                               room_for_reading, bw_read_room(), path);
    for (int part = 0; part < 4; part++) free(parts[part]);
    return answer;
}

static void read_block(const uint8_t *input, size_t length) {
    const size_t words = load16(input) % 6000, base_words = input[2] & 1 ? words : words * input[2] / 256;
    const uint8_t *block = input + KNOBS;
    const uint32_t width = block[0];
    if (width == 0 || width > 8) return;
    uint8_t *base = make_base(base_words * width, input[2]), *exact = exactly(base, base_words * width);
    uint8_t *plain_out = malloc(words * width), *vector_out = malloc(words * width);
    int first = read_on(SCALAR, block, length - KNOBS, exact, base_words * width, plain_out, words);
    int second = read_on(VECTOR, block, length - KNOBS, exact, base_words * width, vector_out, words);
    MUST(first == second);
    MUST(first == FINE || first == DAMAGED || first == WRONG_CALL);
    if (first == FINE && words) MUST(memcmp(plain_out, vector_out, words * width) == 0);
    free(base), free(exact), free(plain_out), free(vector_out);
}

/* -- weights, written and read -- */

static size_t write_block(const uint8_t *raw, size_t words, const uint8_t *base, size_t base_words, uint32_t width,
                          uint32_t shift, int path, uint8_t *block) {
    const size_t length = words * width;
    uint8_t *tables = malloc(bw_tables_room()), *pairs = malloc(2 * words + 32), *stream = malloc(2 * words + 32);
    uint8_t *bits = malloc(length + 32);
    uint32_t facts[5];
    int answer = bw_delta_write(raw, length, base, base_words * width, width, shift, tables, bw_tables_room(), pairs,
                                2 * words + 32, stream, 2 * words + 32, bits, length + 32, room_for_writing,
                                bw_write_room(), facts, path);
    MUST(answer == FINE);
    const size_t start = facts[2] + (4u << facts[1]);
    block[0] = (uint8_t)width, block[1] = (uint8_t)shift, block[2] = (uint8_t)facts[0], block[3] = (uint8_t)facts[1];
    store32(block + 4, facts[2]), store32(block + 8, facts[3]), store32(block + 12, facts[4]);
    memcpy(block + HEAD, tables, start);
    memcpy(block + HEAD + start, stream + 2 * words + 32 - facts[3], facts[3]);
    memcpy(block + HEAD + start + facts[3], bits, facts[4]);
    free(tables), free(pairs), free(stream), free(bits);
    return HEAD + start + facts[3] + facts[4];
}

static void there_and_back(const uint8_t *input, size_t length) {
    static const uint32_t widths[] = {1, 2, 4, 2}, shifts[] = {3, 7, 23, 10};
    const uint32_t width = widths[input[0] & 3], shift = shifts[input[0] & 3];
    const size_t words = (length - KNOBS) / width, base_words = input[1] & 1 ? words : words * input[1] / 256;
    uint8_t *raw = exactly(input + KNOBS, words * width), *base = make_base(base_words * width, input[2]);
    uint8_t *exact = exactly(base, base_words * width), *out = malloc(words * width + 1);
    uint8_t *first = malloc(LONGEST + 10 * length), *second = malloc(LONGEST + 10 * length);
    for (size_t at = 0; at < words * width && at < base_words * width; at++)
        if (input[1] & 2) raw[at] = (uint8_t)(base[at] + (raw[at] < 64 ? raw[at] & 3 : 0));
    size_t plain = write_block(raw, words, exact, base_words, width, shift, SCALAR, first);
    size_t vector = write_block(raw, words, exact, base_words, width, shift, VECTOR, second);
    MUST(plain == vector && memcmp(first, second, plain) == 0);
    for (int path = SCALAR; path <= VECTOR; path++) {
        MUST(read_on(path, first, plain, exact, base_words * width, out, words) == FINE);
        MUST(words == 0 || memcmp(out, raw, words * width) == 0);
    }
    free(raw), free(base), free(exact), free(out), free(first), free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length) {
    if (!room_for_reading) room_for_reading = malloc(bw_read_room()), room_for_writing = malloc(bw_write_room());
    if (length > LONGEST) return 0;
    if (length >= KNOBS + HEAD) read_block(input, length);
    if (length >= KNOBS) there_and_back(input, length);
    return 0;
}

#ifndef LIBFUZZER

typedef struct {
    size_t length;
    uint8_t bytes[LONGEST];
} Input;

static Input seeds[SEEDS], mutated;

/* The same block in the last context instead of the first: its table is then the last thing in the room. Only where one
   table serves all contexts. */
static void use_last_context(Input *input) {
    uint8_t *block = input->bytes + KNOBS, *tables = block + HEAD;
    const uint32_t length = load32(block + 4);
    for (uint32_t at = length - 15; at < length; at++)
        if (tables[at] != 2) return;
    memmove(tables + 15, tables, length - 15);
    memset(tables, 0, 15);
    block[2] = 255;
}

/* Blocks of every width, of few and many words, of bases that end early. */
static void make_seeds(void) {
    static const uint32_t widths[] = {1, 2, 4, 2}, shifts[] = {3, 7, 23, 10};
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        const uint32_t width = widths[seed % 4], shift = shifts[seed % 4], words = seed < 12 ? 9 + 40 * seed : 150 * seed;
        const uint8_t knob = (uint8_t)(seed % 3 ? 2 * seed + 1 : 2 * seed + 100);
        const size_t base_words = knob & 1 ? words : words * knob / 256;
        uint8_t *base = make_base(base_words * width, knob), *raw = make_base(words * width, knob);
        for (size_t at = 0; at < words * width; at++)
            if (random32() % 4 == 0) raw[at] = (uint8_t)(raw[at] + random32() % 9);
        store16(seeds[seed].bytes, (uint16_t)words);
        seeds[seed].bytes[2] = knob;
        seeds[seed].length = KNOBS + write_block(raw, words, base, base_words, width, shift, VECTOR, seeds[seed].bytes + KNOBS);
        if (seed % 8 > 4) use_last_context(seeds + seed);
        free(base), free(raw);
    }
}

static void mutate(void) {
    memcpy(&mutated, &seeds[random32() % SEEDS], sizeof mutated);
    for (uint32_t changes = 1 + random32() % 4; changes > 0; changes--) {
        /* Headers and tables decide most, so most changes go there. */
        size_t within = random32() % 2 ? 24 : random32() % 2 ? 200 : mutated.length;
        size_t at = random32() % (within < mutated.length ? within : mutated.length);
        switch (random32() % 6) {
        case 0: mutated.bytes[at] ^= (uint8_t)(1u << random32() % 8); break;
        case 1: mutated.bytes[at] = (uint8_t)random32(); break;
        case 2: mutated.bytes[at] = (uint8_t[]){0, 1, 2, 127, 128, 255}[random32() % 6]; break;
        case 3: mutated.length = at > KNOBS + HEAD ? at : mutated.length; break;
        case 4: memmove(mutated.bytes + at, mutated.bytes + mutated.length / 2, mutated.length / 2 < 8 ? 1 : 8); break;
        default: mutated.bytes[at]++; break;
        }
    }
}

static void replay(const char *path) {
    FILE *file = fopen(path, "rb");
    MUST(file);
    mutated.length = fread(mutated.bytes, 1, LONGEST, file);
    fclose(file);
    LLVMFuzzerTestOneInput(mutated.bytes, mutated.length);
}

static void write_seeds(const char *folder) {
    char path[4096];
    for (int seed = 0; seed < SEEDS; seed++) {
        snprintf(path, sizeof path, "%s/seed-%d", folder, seed);
        FILE *file = fopen(path, "wb");
        MUST(file && fwrite(seeds[seed].bytes, 1, seeds[seed].length, file) == seeds[seed].length);
        fclose(file);
    }
}

int main(int count, char **words) {
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    make_seeds();
    if (count == 3 && !strcmp(words[1], "--seeds")) return write_seeds(words[2]), 0;
    char *end = NULL;
    uint64_t executions = count == 3 ? strtoull(words[1], &end, 10) : 0;
    if (count != 3 || *end) {
        for (int at = 1; at < count; at++) replay(words[at]);
        return 0;
    }
    chance = strtoull(words[2], NULL, 10) * 2654435761u + 1;
    for (int seed = 0; seed < SEEDS; seed++) LLVMFuzzerTestOneInput(seeds[seed].bytes, seeds[seed].length);
    for (uint64_t done = 0; done < executions; done++) {
        mutate();
        if (done % 8) {
            if (mutated.length >= KNOBS + HEAD) read_block(mutated.bytes, mutated.length);
        } else LLVMFuzzerTestOneInput(mutated.bytes, mutated.length);
    }
    printf("%llu executions, nothing found\n", (unsigned long long)executions);
    return 0;
}

#endif
