/* What the writer and the reader of differences share: the numbers of docs/internals/differences.md. */

#ifndef RANS_H
#define RANS_H

#include "budwood.h"

enum {
    CONTEXTS = 16,
    SYMBOLS = 256,
    PAIRS = CONTEXTS * SYMBOLS,
    SCALE_BITS = 12,
    SCALE = 1 << SCALE_BITS,
    LOWEST_STATE = 1 << 15,
    LEAST_LANES_LOG2 = 3,
    MOST_LANES_LOG2 = 10,
    MOST_LANES = 1 << MOST_LANES_LOG2,
    TILE = 4096, /* words; a multiple of every number of lanes */
    MOST_WORDS = 1 << 24,
};

/* Symbols: 0..127 are zigzag differences; from LITERALS on four for each power of two, whose lower bits are raw. */
enum { LITERALS = 128, FIRST_POWER = 7, AFTER_CLASSES = LITERALS + 4 * (32 - FIRST_POWER), NOTHING = 253,
       SIGNED_ZERO = 254, ZERO = 255 };

/* How a context's frequencies are written. */
enum { ABSENT = 0, TABLE = 1, AS_BEFORE = 2 };

typedef struct {
    uint32_t width, shift, top;
} Key;

/* Whether words of this width can be keyed so. */
INLINE int is_key(Key key) {
    return (key.width == 1 || key.width == 2 || key.width == 4) && key.shift < key.width * 8 &&
           key.width * 8 - 1 <= key.shift + 8 && key.top < 256;
}

#define FOR_EVERY_WORD(MAKE) MAKE(8, uint8_t) MAKE(16, uint16_t) MAKE(32, uint32_t)

/* Tables of the vector paths: MAKE(0), MAKE(1) to MAKE(255). */
#define COUNT(mask) (unsigned)__builtin_popcount(mask)
#define MASKS_4(MAKE, m) MAKE((m)), MAKE((m) + 1u), MAKE((m) + 2u), MAKE((m) + 3u)
#define MASKS_16(MAKE, m) MASKS_4(MAKE, m), MASKS_4(MAKE, m + 4u), MASKS_4(MAKE, m + 8u), MASKS_4(MAKE, m + 12u)
#define MASKS_64(MAKE, m) MASKS_16(MAKE, m), MASKS_16(MAKE, m + 16u), MASKS_16(MAKE, m + 32u), MASKS_16(MAKE, m + 48u)
#define EVERY_MASK(MAKE) MASKS_64(MAKE, 0u), MASKS_64(MAKE, 64u), MASKS_64(MAKE, 128u), MASKS_64(MAKE, 192u)

/* The base's words of one tile: where they lie, or copied into `room` and continued with zeros past their end. */
INLINE const uint8_t *base_tile(const uint8_t *base, size_t base_count, size_t at, size_t count, size_t width,
                                uint8_t *room) {
    if (at + count <= base_count) return base + at * width;
    size_t common = at < base_count ? base_count - at : 0;
    if (common) memcpy(room, base + at * width, common * width);
    memset(room + common * width, 0, (count - common) * width);
    return room;
}

#endif
