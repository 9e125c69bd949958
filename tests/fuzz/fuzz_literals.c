/* Fuzz frames of literals and the check of planes, by themselves or under libFuzzer. From the repository's root:

       NATIVE="-I src/budwood/store/native $(find src/budwood/store/native -name "*.c")"
       cc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all tests/fuzz/fuzz_literals.c $NATIVE -o fuzz
       ./fuzz 1000000 1 FRAME...             so many executions from this seed; the frames (count:3, then libzstd's) too
       clang -g -O1 -DLIBFUZZER -fsanitize=fuzzer,address,undefined tests/fuzz/fuzz_literals.c $NATIVE -o fuzz

   Each input is read as a frame, and taken as a plane, which must be the same after writing and reading, on both paths.
   Every buffer is exactly as long as it claims, so that the sanitizer sees one byte too far. */

#include <stdio.h>
#include <stdlib.h>

#include "budwood.h"

uint64_t bw_huffman_room(void);
uint64_t bw_code_room(void);
uint64_t bw_check_room(void);
int64_t bw_huffman_write(const uint8_t *, uint64_t, uint8_t *, uint64_t, void *, uint64_t, int);
int bw_huffman_read(const uint8_t *, uint64_t, uint8_t *, uint64_t, void *, uint64_t);
int bw_planes_match(const uint8_t *const *, const uint64_t *, const uint32_t *, uint32_t, int, const uint8_t *, uint64_t,
                    void *, uint64_t, int);

enum { HEAD = 3, LONGEST = 1 << 16, MOST = 1 << 18, MADE = 20, SEEDS = 60, AS_IT_IS = 0, FRAMED = 2 };

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

/* Rooms that nobody cleans: what is left there from the last time must not matter. */
static void *write_room, *read_room, *check_room;

static int matches(const uint8_t *const *written, const uint64_t *lengths, const uint32_t *ways, uint32_t width,
                   const uint8_t *raw, size_t count, int path) {
    return bw_planes_match(written, lengths, ways, width, 0, raw, count * width, check_room, bw_check_room(), path);
}

/* -- one frame: read, and compared as one plane and as the upper of two -- */

static void read_frame(const uint8_t *input, size_t length) {
    const size_t count = (load16(input) | (size_t)input[2] << 16) % MOST, size = length - HEAD;
    uint8_t *frame = exactly(input + HEAD, size), *out = malloc(count), *words = malloc(2 * count);
    const int answer = bw_huffman_read(frame, size, out, count, read_room, bw_code_room());
    MUST(answer == FINE || answer == DAMAGED);
    if (answer == DAMAGED) memset(out, 0x55, count);
    for (size_t at = 0; at < count; at++) words[2 * at] = words[2 * at + 1] = out[at];
    const uint8_t *written[] = {out, frame};
    const uint64_t lengths[] = {count, size};
    const uint32_t ways[] = {AS_IT_IS, FRAMED};
    for (int path = SCALAR; path <= VECTOR; path++) {
        const int one = matches(written + 1, lengths + 1, ways + 1, 1, out, count, path);
        MUST(one == matches(written, lengths, ways, 2, words, count, path));
        /* Only what can be read matches; blocks that are cut elsewhere are not looked at. */
        MUST(one == 0 || (one == 1 && answer == FINE));
    }
    free(frame), free(out), free(words);
}

/* -- a plane, written and read -- */

static size_t write_frame(const uint8_t *plane, size_t count, int path, uint8_t *out) {
    const size_t room = count + count / 2 + 1024;
    uint8_t *exact = malloc(room);
    const int64_t length = bw_huffman_write(plane, count, exact, room, write_room, bw_huffman_room(), path);
    MUST(length >= 0 && (length == 0 || length < (int64_t)count));
    memcpy(out, exact, (size_t)length);
    free(exact);
    return (size_t)length;
}

static void there_and_back(const uint8_t *bytes, size_t count) {
    uint8_t *plane = exactly(bytes, count), *first = malloc(count + 1), *second = malloc(count + 1);
    const size_t length = write_frame(plane, count, SCALAR, first);
    MUST(length == write_frame(plane, count, VECTOR, second) && memcmp(first, second, length) == 0);
    if (length) {
        uint8_t *frame = exactly(first, length), *out = malloc(count);
        const uint8_t *written[] = {frame};
        MUST(bw_huffman_read(frame, length, out, count, read_room, bw_code_room()) == FINE);
        MUST(memcmp(out, plane, count) == 0);
        MUST(matches(written, (uint64_t[]){length}, (uint32_t[]){FRAMED}, 1, plane, count, SCALAR) == 1);
        plane[count / 2] ^= 1;
        MUST(matches(written, (uint64_t[]){length}, (uint32_t[]){FRAMED}, 1, plane, count, VECTOR) == 0);
        free(frame), free(out);
    }
    free(plane), free(first), free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length) {
    if (!write_room) write_room = malloc(bw_huffman_room()), read_room = malloc(bw_code_room());
    if (!check_room) check_room = malloc(bw_check_room());
    if (length >= HEAD && length <= LONGEST) {
        read_frame(input, length);
        there_and_back(input + HEAD, length - HEAD);
    }
    return 0;
}

#ifndef LIBFUZZER

typedef struct {
    size_t length;
    uint8_t bytes[LONGEST];
} Input;

static Input seeds[SEEDS], mutated;
static uint32_t seed_count;

/* Symbols near a middle or everywhere, some commoner than others, and now and then one from far away. */
static void make_plane(uint8_t *plane, size_t count, uint32_t kind) {
    for (size_t at = 0; at < count; at++) {
        uint32_t depth = 0;
        while (random32() % 8 < 3 + kind % 4 && depth < 60) depth++;
        plane[at] = (uint8_t)(kind % 3 == 2 ? random32() & random32() : 120 - depth);
        if (kind % 5 == 4 && random32() % 50 == 0) plane[at] = (uint8_t)random32();
    }
}

/* Frames of one block and of several, and of bytes that are written raw between others. */
static void make_seeds(void) {
    static uint8_t plane[MOST], frame[2 * MOST];
    for (uint32_t seed = 0; seed < MADE; seed++) {
        const size_t count = seed < 14 ? 260 + 300 * seed : (128u << 10) + 900 * (seed - 13);
        make_plane(plane, count, seed);
        const size_t length = write_frame(plane, count, VECTOR, frame);
        if (length == 0 || length > LONGEST - HEAD) continue;
        Input *input = &seeds[seed_count++];
        store16(input->bytes, (uint16_t)count), input->bytes[2] = (uint8_t)(count >> 16);
        memcpy(input->bytes + HEAD, frame, length);
        input->length = HEAD + length;
    }
}

static void read_seed(const char *path) {
    FILE *file = fopen(path, "rb");
    MUST(file && seed_count < SEEDS);
    Input *input = &seeds[seed_count++];
    input->length = fread(input->bytes, 1, LONGEST, file);
    fclose(file);
    MUST(input->length > HEAD);
}

static void mutate(void) {
    const Input *seed = &seeds[random32() % seed_count];
    mutated.length = seed->length;
    memcpy(mutated.bytes, seed->bytes, seed->length);
    for (uint32_t changes = 1 + random32() % 3; changes > 0; changes--) {
        /* Headers and trees decide most, so most changes go there. */
        const size_t within = random32() % 2 ? 24 : random32() % 2 ? 80 : mutated.length;
        const size_t at = HEAD + random32() % ((within < mutated.length ? within : mutated.length) - HEAD);
        switch (random32() % 6) {
        case 0: mutated.bytes[at] ^= (uint8_t)(1u << random32() % 8); break;
        case 1: mutated.bytes[at] = (uint8_t)random32(); break;
        case 2: mutated.bytes[at] = (uint8_t[]){0, 1, 2, 127, 128, 255}[random32() % 6]; break;
        case 3: mutated.length = at > HEAD + 8 && random32() % 4 == 0 ? at : mutated.length; break;
        case 4: mutated.bytes[mutated.length - 1 - random32() % 4] = (uint8_t)random32(); break;
        default: mutated.bytes[at]++; break;
        }
    }
}

int main(int count, char **words) {
    static uint8_t plane[LONGEST];
    MUST(count >= 3);
    const uint64_t executions = strtoull(words[1], NULL, 10);
    LLVMFuzzerTestOneInput(plane, 0);
    make_seeds();
    for (int at = 3; at < count; at++) read_seed(words[at]);
    chance = strtoull(words[2], NULL, 10) * 2654435761u + 1;
    for (uint32_t seed = 0; seed < seed_count; seed++) LLVMFuzzerTestOneInput(seeds[seed].bytes, seeds[seed].length);
    for (uint64_t done = 0; done < executions; done++) {
        mutate();
        read_frame(mutated.bytes, mutated.length);
        if (done % 8) continue;
        const size_t length = done % 1024 ? random32() % 3000 : random32() % LONGEST;
        make_plane(plane, length, random32());
        there_and_back(plane, length);
    }
    printf("%llu executions from %u frames, nothing found\n", (unsigned long long)executions, seed_count);
    return 0;
}

#endif
