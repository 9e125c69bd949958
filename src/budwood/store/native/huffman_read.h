/* The reader of literal frames, block by block: for whoever fills a plane, and whoever only compares. */

#ifndef HUFFMAN_READ_H
#define HUFFMAN_READ_H

#include "huffman.h"

enum { SLOTS = 1 << MOST_BITS };

typedef struct {
    uint64_t slots[SLOTS]; /* by the next bits, from low to high: how many of them whole symbols take, these, their number */
    uint8_t lengths[SYMBOLS];
    int is_known;
} Code;

typedef struct {
    const uint8_t *at, *end;
    uint64_t left; /* bytes of content that were not given yet */
    Code *code;
} Frame;

/* FINE where it begins like a frame of `count` bytes that needs neither dictionary nor checksum. */
int open_frame(Frame *frame, const uint8_t *bytes, uint64_t length, uint64_t count, Code *code);

/* The content of the next block, at most BLOCK bytes, into `out`, which has room for `room`; how many these were. DAMAGED
   for what is wrong as well as for what only libzstd reads. */
int64_t read_block(Frame *frame, uint8_t *out, uint64_t room);

/* FINE where all was given and nothing is left. */
int close_frame(const Frame *frame);

#endif
