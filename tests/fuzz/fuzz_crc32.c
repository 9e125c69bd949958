/* Fuzz the check sum: every path must give what the definition gives, whole and in two pieces. From the repository's root:

       NATIVE="-I src/budwood/store/native $(find src/budwood/store/native -name "*.c")"
       cc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all tests/fuzz/fuzz_crc32.c $NATIVE -o fuzz
       ./fuzz 1000000 1                      so many executions from this seed
       clang -g -O1 -DLIBFUZZER -fsanitize=fuzzer,address,undefined tests/fuzz/fuzz_crc32.c $NATIVE -o fuzz

   Each buffer ends where the allocation ends, so that the sanitizer sees one byte too far. */

#include <stdio.h>
#include <stdlib.h>

#include "budwood.h"

int bw_crc32_path(void);
uint32_t bw_crc32(uint32_t, const uint8_t *, uint64_t, int);

enum { HEAD = 6, LONGEST = 1 << 12 };

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Bit by bit, as the standard has it. */
static uint32_t defined(uint32_t before, const uint8_t *bytes, size_t length) {
    uint32_t sum = ~before;
    for (size_t at = 0; at < length; at++) {
        sum ^= bytes[at];
        for (int bit = 0; bit < 8; bit++) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320 : 0);
    }
    return ~sum;
}

/* Six bytes say what was summed before, and where the rest is cut in two. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length) {
    if (length < HEAD || length > LONGEST) return 0;
    const size_t size = length - HEAD, cut = size ? load16(input + 4) % (size + 1) : 0;
    uint8_t *exact = malloc(size);
    MUST(exact || !size);
    if (size) memcpy(exact, input + HEAD, size);
    const uint32_t before = load32(input), expected = defined(before, exact, size);
    for (int path = CRC_PLAIN; path <= CRC_WIDE; path++) {
        MUST(bw_crc32(before, exact, size, path) == expected);
        MUST(bw_crc32(bw_crc32(before, exact, cut, path), size ? exact + cut : exact, size - cut, path) == expected);
    }
    free(exact);
    return 0;
}

#ifndef LIBFUZZER

int main(int count, char **words) {
    static uint8_t input[LONGEST];
    MUST(count == 3);
    const uint64_t executions = strtoull(words[1], NULL, 10);
    srand((unsigned)strtoull(words[2], NULL, 10));
    LLVMFuzzerTestOneInput(input, HEAD);
    for (uint64_t done = 0; done < executions; done++) {
        /* Short ones mostly: what a path may do wrong, it does at its ends. */
        const size_t length = HEAD + (size_t)rand() % (done % 16 ? 700 : LONGEST - HEAD);
        for (size_t at = 0; at < length; at++) input[at] = (uint8_t)(rand() >> 7);
        LLVMFuzzerTestOneInput(input, length);
    }
    printf("%llu executions, nothing found; the widest path was %d\n", (unsigned long long)executions, bw_crc32_path());
    return 0;
}

#endif
