/* What the writer and the reader of literal frames share. Such a frame is Zstandard's (RFC 8878) and has no matches:
   each of its blocks is literals in one Huffman code, in four streams, and not a single sequence. Every Zstandard
   reads it; the reader here reads those of libzstd's too (encodings/_zstd.py, "Huffman").

   A stream is read from its end to its start: its last byte ends in a bit that is set, below which the code of the first
   symbol lies. Where codes meet in a number, the later symbol has the lower bits. */

#ifndef HUFFMAN_H
#define HUFFMAN_H

#include "budwood.h"

enum {
    BLOCK = 128 << 10,   /* bytes that a block holds at most */
    MOST_BITS = 11,      /* of a code */
    WEIGHT_BITS = 6,     /* of the states that weights are written by, at most */
    WEIGHT_STATES = 1 << WEIGHT_BITS,
    WEIGHTS = MOST_BITS + 1,
    SYMBOLS = 256,
};

enum block_kind { RAW_BLOCK = 0, RUN_BLOCK = 1, CODED_BLOCK = 2 };
enum literals_kind { RAW_LITERALS = 0, RUN_LITERALS = 1, WITH_TREE = 2, TREE_AS_BEFORE = 3 };

#define FRAME_MAGIC 0xFD2FB528u
/* The size of the content is in four bytes, and one segment holds it all. */
#define FRAME_DESCRIPTOR 0xA0

/* The lengths of codes as a tree tells them: `weight` is 0 for no code, else one more than what the code is shorter than
   the longest. The last symbol's is left out, because all together fill the tree. */
INLINE uint32_t weight_of(uint32_t length, uint32_t longest) { return length ? longest + 1 - length : 0; }

INLINE uint32_t highest_bit(uint32_t value) { return 31 - (uint32_t)__builtin_clz(value); }

/* Where the states of each weight lie (RFC 8878, 4.1.1): `shares` add up to `size`, a power of two. */
INLINE void spread_states(const uint8_t *shares, uint32_t size, uint8_t *states) {
    uint32_t at = 0;
    for (uint32_t weight = 0; weight < WEIGHTS; weight++)
        for (uint32_t number = 0; number < shares[weight]; number++) {
            states[at] = (uint8_t)weight;
            at = (at + (size >> 1) + (size >> 3) + 3) & (size - 1);
        }
}

#endif
