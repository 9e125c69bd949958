/* Writing differences. The output is a function of the words, the base and the key's shift alone, the same on every
   machine and the same as NumPy's (encodings/_rans_numpy.py). docs/internals/differences.md has the format. */

#include "rans.h"

enum { LOOKED_AT = 8192, ABOVE_SHARE = 512, TABLE_WORDS = 1024, MOST_WRITTEN_LANES_LOG2 = 8,
       LANE_WORDS = 2048, LANE_CHANGES = 256, MOST_LANE_WORDS = 16384,
       TABLES_BYTES = CONTEXTS * (1 + 2 * SYMBOLS), SLACK = 32 };

typedef struct {
    uint32_t counts[4][PAIRS];
    uint32_t reciprocals[PAIRS]; /* of the frequency of context << 8 | symbol */
    uint32_t intervals[PAIRS];   /* frequency - 1 | shift of the reciprocal << 12 | start << 16 */
    uint32_t states[MOST_LANES];
    uint16_t frequencies[PAIRS];
    uint32_t zigzags[TILE];
    uint8_t base[TILE * 4];
} Room;

typedef struct {
    uint8_t *at;
    uint64_t held;
    uint32_t count;
} BitWriter;

/* -- pairs of context and symbol -- */

INLINE void put_bits(BitWriter *bits, uint32_t value, uint32_t count) {
    bits->held |= (uint64_t)value << bits->count;
    bits->count += count;
    if (bits->count >= 32) {
        store32(bits->at, (uint32_t)bits->held);
        bits->at += 4;
        bits->held >>= 32;
        bits->count -= 32;
    }
}

#define WRITE_WORDS(SIZE, WORD)                                                                                        \
    static uint32_t top_of_##SIZE(const uint8_t *base, size_t count, uint32_t shift) {                                 \
        uint32_t counts[256] = {0}, seen = 0, above = 0, top = 255;                                                    \
        for (size_t at = 0; at < count; at += count / LOOKED_AT + 1, seen++) {                                         \
            WORD word;                                                                                                 \
            memcpy(&word, base + at * sizeof word, sizeof word);                                                       \
            counts[(uint32_t)(word & (WORD)((WORD)~(WORD)0 >> 1)) >> shift]++;                                         \
        }                                                                                                              \
        while (top > 0 && (above + counts[top]) * ABOVE_SHARE <= seen) above += counts[top--];                         \
        return top;                                                                                                    \
    }                                                                                                                  \
    static int signs_stay_##SIZE(const uint8_t *raw, const uint8_t *base, size_t count) {                              \
        const WORD sign = (WORD)((WORD)1 << (SIZE - 1));                                                               \
        size_t stay = 0, go = 0;                                                                                       \
        for (size_t at = 0; at < count; at += count / LOOKED_AT + 1) {                                                 \
            WORD word, known;                                                                                          \
            memcpy(&word, raw + at * sizeof word, sizeof word);                                                        \
            memcpy(&known, base + at * sizeof known, sizeof known);                                                    \
            stay += known >= sign && word == sign;                                                                     \
            go += known >= sign && word == 0;                                                                          \
        }                                                                                                              \
        return stay > go;                                                                                              \
    }                                                                                                                  \
    INLINE uint8_t large_##SIZE(WORD word, WORD known, uint32_t zigzag, int signs_stay, BitWriter *bits) {             \
        const int is_signed = word == (WORD)(known & (WORD)((WORD)1 << (SIZE - 1)));                                   \
        if (word == 0 && !(is_signed && signs_stay)) return ZERO;                                                      \
        if (is_signed) return SIGNED_ZERO;                                                                             \
        uint32_t power = 31 - (uint32_t)__builtin_clz(zigzag), count = power - 2;                                      \
        put_bits(bits, zigzag & ((1u << count) - 1), count);                                                           \
        return (uint8_t)(LITERALS + 4 * (power - FIRST_POWER) + (zigzag >> count & 3));                                \
    }                                                                                                                  \
    INLINE void pairs_of_##SIZE(const uint8_t *raw, const uint8_t *base, Key key, int signs_stay, size_t count,        \
                                uint16_t *pairs, WORD *zigzags, BitWriter *bits) {                                     \
        for (size_t at = 0; at < count; at++) {                                                                        \
            WORD word, known;                                                                                          \
            memcpy(&word, raw + at * sizeof word, sizeof word);                                                        \
            memcpy(&known, base + at * sizeof known, sizeof known);                                                    \
            int32_t below = (int32_t)key.top - (int32_t)((known & (WORD)((WORD)~(WORD)0 >> 1)) >> key.shift);          \
            below = below < 0 ? 0 : below;                                                                             \
            below = below > CONTEXTS - 1 ? CONTEXTS - 1 : below;                                                       \
            WORD step = (WORD)(word - known);                                                                          \
            WORD zigzag = (WORD)((WORD)(step << 1) ^ (WORD)(0 - (WORD)(step >> (SIZE - 1))));                          \
            zigzags[at] = zigzag;                                                                                      \
            pairs[at] = (uint16_t)((uint32_t)below << 8 | (zigzag & 255u));                                            \
        }                                                                                                              \
        for (size_t from = 0; from < count; from += 8) {                                                               \
            size_t to = from + 8 < count ? from + 8 : count;                                                           \
            WORD any = 0;                                                                                              \
            for (size_t at = from; at < to; at++) any |= zigzags[at];                                                  \
            if (any < LITERALS) continue;                                                                              \
            for (size_t at = from; at < to; at++) {                                                                    \
                if (zigzags[at] < LITERALS) continue;                                                                  \
                WORD word, known;                                                                                      \
                memcpy(&word, raw + at * sizeof word, sizeof word);                                                    \
                memcpy(&known, base + at * sizeof known, sizeof known);                                                \
                uint32_t symbol = large_##SIZE(word, known, zigzags[at], signs_stay, bits);                            \
                pairs[at] = (uint16_t)((pairs[at] & 0xff00u) | symbol);                                                \
            }                                                                                                          \
        }                                                                                                              \
    }

FOR_EVERY_WORD(WRITE_WORDS)

INLINE void count_pairs(uint32_t counts[4][PAIRS], const uint16_t *pairs, size_t count) {
    /* Four rows of counters: neighbours are often equal, and one counter would wait for itself. */
    size_t at = 0;
    for (; at + 4 <= count; at += 4) {
        counts[0][pairs[at]]++;
        counts[1][pairs[at + 1]]++;
        counts[2][pairs[at + 2]]++;
        counts[3][pairs[at + 3]]++;
    }
    for (; at < count; at++) counts[0][pairs[at]]++;
}

typedef struct {
    Key key;
    const uint8_t *raw, *base;
    size_t count, base_count;
    int signs_stay; /* of weights that became zero */
} Block;

INLINE void write_pairs(const Block *block, Room *room, uint16_t *pairs, BitWriter *bits) {
    const size_t width = block->key.width;
    for (size_t at = 0; at < block->count; at += TILE) {
        size_t count = block->count - at < TILE ? block->count - at : TILE;
        const uint8_t *raw = block->raw + at * width;
        const uint8_t *base = base_tile(block->base, block->base_count, at, count, width, room->base);
        const int stay = block->signs_stay;
        uint16_t *to = pairs + at;
        if (width == 1) pairs_of_8(raw, base, block->key, stay, count, to, (uint8_t *)room->zigzags, bits);
        else if (width == 2) pairs_of_16(raw, base, block->key, stay, count, to, (uint16_t *)room->zigzags, bits);
        else pairs_of_32(raw, base, block->key, stay, count, to, room->zigzags, bits);
        count_pairs(room->counts, pairs + at, count);
    }
}

/* -- frequencies -- */

/* Shares of SCALE, at least 1 for what occurs; what rounding left over goes to the commonest. */
static void scale_counts(const uint32_t *counts, uint32_t total, uint16_t *frequencies) {
    uint32_t sum = 0;
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++) {
        uint64_t share = ((uint64_t)counts[symbol] * SCALE + total / 2) / total;
        frequencies[symbol] = (uint16_t)(counts[symbol] && !share ? 1 : share);
        sum += frequencies[symbol];
    }
    while (sum != SCALE) {
        uint32_t most = 0;
        for (uint32_t symbol = 1; symbol < SYMBOLS; symbol++)
            if (frequencies[symbol] > frequencies[most]) most = symbol;
        int32_t surplus = (int32_t)sum - SCALE, half = frequencies[most] / 2;
        surplus = surplus < half ? surplus : half;
        frequencies[most] = (uint16_t)(frequencies[most] - surplus);
        sum = (uint32_t)((int32_t)sum - surplus);
    }
}

static uint8_t *write_table(const uint16_t *frequencies, uint8_t *out) {
    uint32_t left = SCALE, zeros = 0;
    for (uint32_t symbol = 0; left; symbol++) {
        uint32_t frequency = frequencies[symbol];
        if (frequency == 0) {
            zeros++;
            continue;
        }
        if (zeros) {
            *out++ = 0;
            *out++ = (uint8_t)zeros;
            zeros = 0;
        }
        if (frequency >= 128) *out++ = (uint8_t)(128 | frequency >> 8);
        *out++ = (uint8_t)frequency;
        left -= frequency;
    }
    return out;
}

/* Contexts in order, joined until they have words enough to pay for a table; the last ones join those before. */
static uint8_t *write_tables(Room *room, uint8_t *out) {
    uint32_t *counts = room->counts[0], totals[CONTEXTS] = {0}, first[CONTEXTS], groups = 0, gathered = 0, all = 0;
    int open = 0;
    for (uint32_t context = 0; context < CONTEXTS; context++) {
        for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++) totals[context] += counts[context * SYMBOLS + symbol];
        all += totals[context];
        if (!open) first[groups++] = context;
        gathered = (open ? gathered : 0) + totals[context];
        open = gathered < TABLE_WORDS;
    }
    groups -= open && groups > 1;
    if (all == 0) {
        memset(out, ABSENT, CONTEXTS);
        return out + CONTEXTS;
    }
    for (uint32_t group = 0; group < groups; group++) {
        uint32_t end = group + 1 < groups ? first[group + 1] : CONTEXTS, sums[SYMBOLS] = {0}, total = 0;
        for (uint32_t context = first[group]; context < end; context++) {
            total += totals[context];
            for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++) sums[symbol] += counts[context * SYMBOLS + symbol];
        }
        uint16_t *own = room->frequencies + first[group] * SYMBOLS;
        scale_counts(sums, total, own);
        *out++ = TABLE;
        out = write_table(own, out);
        for (uint32_t context = first[group] + 1; context < end; context++) {
            *out++ = AS_BEFORE;
            memcpy(room->frequencies + context * SYMBOLS, own, SYMBOLS * sizeof *own);
        }
    }
    return out;
}

/* x / frequency for x below 2^31 is x * reciprocal >> 32 >> shift. Alverson, "Integer division using reciprocals". */
static void find_intervals(Room *room) {
    for (uint32_t context = 0; context < CONTEXTS; context++) {
        uint32_t start = 0;
        for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++) {
            uint32_t pair = context * SYMBOLS + symbol, frequency = room->frequencies[pair], shift = 0;
            if (frequency == 0) continue;
            if (frequency == 1) {
                /* The quotient comes out as x - 1, which the start makes good. */
                room->reciprocals[pair] = UINT32_MAX;
                room->intervals[pair] = (start + SCALE - 1) << 16;
            } else {
                while (frequency > 1u << shift) shift++;
                room->reciprocals[pair] = (uint32_t)(((1ull << (shift + 31)) + frequency - 1) / frequency);
                room->intervals[pair] = (frequency - 1) | (shift - 1) << 12 | start << 16;
            }
            start += frequency;
        }
    }
}

/* -- words, from the last to the first -- */

INLINE uint8_t *put_row(const Room *room, uint32_t *states, const uint16_t *pairs, size_t count, uint8_t *at) {
    for (size_t lane = count; lane-- > 0;) {
        uint32_t state = states[lane], interval = room->intervals[pairs[lane]], less = interval & 0xfff;
        uint32_t full = state >> 19 > less;
        store16(at - 2, (uint16_t)state);
        at -= 2 * full;
        state >>= 16 * full;
        uint32_t quotient = (uint32_t)((uint64_t)state * room->reciprocals[pairs[lane]] >> 32) >> (interval >> 12 & 15);
        states[lane] = state + (interval >> 16) + quotient * (SCALE - 1 - less);
    }
    return at;
}

static uint8_t *put_rows(Room *room, const uint16_t *pairs, size_t from, uint32_t lanes, uint8_t *at) {
    while (from > 0) {
        from -= lanes;
        at = put_row(room, room->states, pairs + from, lanes, at);
    }
    return at;
}

#if HAS_AVX2
/* Entry m brings the lanes whose bits are set in m to the upper end, in their order. */
#define TAKEN(m, lane) ((m) >> (lane) & 1 ? (uint64_t)(lane) << 8 * (8 - COUNT(m) + COUNT((m) & ((1u << (lane)) - 1))) : 0)
#define LANES(m) (TAKEN(m, 0) | TAKEN(m, 1) | TAKEN(m, 2) | TAKEN(m, 3) | TAKEN(m, 4) | TAKEN(m, 5) | TAKEN(m, 6) | TAKEN(m, 7))
static const uint64_t GATHERED_ABOVE[256] = {EVERY_MASK(LANES)};

AVX2 static uint8_t *put_rows_by_eights(Room *room, const uint16_t *pairs, size_t from, uint32_t lanes, uint8_t *at) {
    const __m256i low_twelve = _mm256_set1_epi32(0xfff), low_four = _mm256_set1_epi32(15);
    const __m256i low_half = _mm256_set1_epi32(0xffff), scale = _mm256_set1_epi32(SCALE - 1);
    while (from > 0) {
        from -= 8;
        uint32_t *place = room->states + (from & (lanes - 1));
        __m256i state = _mm256_loadu_si256((const __m256i *)place);
        __m256i pair = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(pairs + from)));
        __m256i interval = _mm256_i32gather_epi32((const int *)room->intervals, pair, 4);
        __m256i reciprocal = _mm256_i32gather_epi32((const int *)room->reciprocals, pair, 4);
        __m256i less = _mm256_and_si256(interval, low_twelve);
        __m256i full = _mm256_cmpgt_epi32(_mm256_srli_epi32(state, 19), less);
        uint32_t mask = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(full));
        __m256i put = _mm256_permutevar8x32_epi32(_mm256_and_si256(state, low_half), _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(GATHERED_ABOVE + mask))));
        put = _mm256_permute4x64_epi64(_mm256_packus_epi32(put, put), 0x08);
        _mm_storeu_si128((__m128i *)(at - 16), _mm256_castsi256_si128(put));
        at -= 2 * _mm_popcnt_u32(mask);
        state = _mm256_blendv_epi8(state, _mm256_srli_epi32(state, 16), full);
        __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(state, reciprocal), 32);
        __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(state, 32), _mm256_srli_epi64(reciprocal, 32));
        __m256i quotient = _mm256_blend_epi32(even, odd, 0xaa);
        quotient = _mm256_srlv_epi32(quotient, _mm256_and_si256(_mm256_srli_epi32(interval, 12), low_four));
        state = _mm256_add_epi32(state, _mm256_srli_epi32(interval, 16));
        state = _mm256_add_epi32(state, _mm256_mullo_epi32(quotient, _mm256_sub_epi32(scale, less)));
        _mm256_storeu_si256((__m256i *)place, state);
    }
    return at;
}

AVX2 static void write_pairs_by_vectors(const Block *block, Room *room, uint16_t *pairs, BitWriter *bits) {
    write_pairs(block, room, pairs, bits);
}
#endif

static void write_pairs_plainly(const Block *block, Room *room, uint16_t *pairs, BitWriter *bits) {
    write_pairs(block, room, pairs, bits);
}

/* -- the door -- */

/* A lane costs four bytes, which changes must pay for; but a reader with few lanes is slow. */
static uint32_t lanes_log2_for(uint32_t count, uint32_t changed) {
    uint32_t wanted = count / LANE_WORDS, log2 = LEAST_LANES_LOG2;
    if (wanted > changed / LANE_CHANGES) wanted = changed / LANE_CHANGES;
    if (wanted < count / MOST_LANE_WORDS) wanted = count / MOST_LANE_WORDS;
    while (log2 < MOST_WRITTEN_LANES_LOG2 && wanted >= 2u << log2) log2++;
    return log2;
}

static uint32_t top_of(const uint8_t *base, size_t count, Key key) {
    if (key.width == 1) return top_of_8(base, count, key.shift);
    if (key.width == 2) return top_of_16(base, count, key.shift);
    return top_of_32(base, count, key.shift);
}

static int signs_stay(const uint8_t *raw, const uint8_t *base, size_t count, uint32_t width) {
    if (width == 1) return signs_stay_8(raw, base, count);
    if (width == 2) return signs_stay_16(raw, base, count);
    return signs_stay_32(raw, base, count);
}

PUBLIC uint64_t bw_write_room(void) { return sizeof(Room); }

PUBLIC uint64_t bw_tables_room(void) { return TABLES_BYTES + 4 * MOST_LANES; }

/* Writes the differences of whole words. `pairs`, `words` and `raw_bits` have room for 2 * count + 32,
   2 * count + 32 and width * count + 32 bytes. Afterwards the body lies in `tables` (tables, then states), at the end
   of `words`, and at the start of `raw_bits`; `facts` has top, log2 of the lanes, and the bytes of the tables, of the
   words and of the raw bits. FINE or WRONG_CALL. */
PUBLIC int bw_delta_write(const uint8_t *raw, uint64_t raw_length, const uint8_t *base, uint64_t base_length,
                          uint32_t width, uint32_t shift, uint8_t *tables, uint64_t tables_room, uint8_t *pairs_bytes,
                          uint64_t pairs_room, uint8_t *words, uint64_t words_room, uint8_t *raw_bits,
                          uint64_t raw_bits_room, void *room_bytes, uint64_t room_length, uint32_t *facts, int path) {
    Key key = {width, shift, 0};
    if (!is_key(key) || raw_length % width || raw_length / width > MOST_WORDS) return WRONG_CALL;
    const uint64_t count = raw_length / width, base_count = base_length / width;
    if (room_length < sizeof(Room) || ((uintptr_t)room_bytes & 15) || ((uintptr_t)pairs_bytes & 1)) return WRONG_CALL;
    if (tables_room < TABLES_BYTES + 4 * MOST_LANES || pairs_room < 2 * count + SLACK) return WRONG_CALL;
    if (words_room < 2 * count + SLACK || raw_bits_room < width * count + SLACK) return WRONG_CALL;
    Room *room = room_bytes;
    uint16_t *pairs = (uint16_t *)(void *)pairs_bytes;
    const size_t common = (size_t)(base_count < count ? base_count : count);
    key.top = top_of(base, common, key);
    const Block block = {key, raw, base, (size_t)count, (size_t)base_count, signs_stay(raw, base, common, width)};
    memset(room->counts, 0, sizeof room->counts);
    BitWriter bits = {raw_bits, 0, 0};
#if HAS_AVX2
    const int vectors = path == VECTOR && has_vectors();
    (vectors ? write_pairs_by_vectors : write_pairs_plainly)(&block, room, pairs, &bits);
#else
    write_pairs_plainly(&block, room, pairs, &bits);
    (void)path;
#endif
    for (uint32_t held = bits.count; held > 0; held = held > 8 ? held - 8 : 0, bits.held >>= 8)
        *bits.at++ = (uint8_t)bits.held;
    uint32_t unchanged = 0;
    for (uint32_t pair = 0; pair < PAIRS; pair++)
        room->counts[0][pair] += room->counts[1][pair] + room->counts[2][pair] + room->counts[3][pair];
    for (uint32_t context = 0; context < CONTEXTS; context++) unchanged += room->counts[0][context * SYMBOLS];
    const uint32_t lanes_log2 = lanes_log2_for((uint32_t)count, (uint32_t)count - unchanged), lanes = 1u << lanes_log2;
    uint8_t *states = write_tables(room, tables), *end = words + words_room, *at = end;
    find_intervals(room);
    for (uint32_t lane = 0; lane < lanes; lane++) room->states[lane] = LOWEST_STATE;
    const size_t rows = (size_t)count & ~(size_t)(lanes - 1);
    at = put_row(room, room->states, pairs + rows, (size_t)count - rows, at);
#if HAS_AVX2
    at = (vectors ? put_rows_by_eights : put_rows)(room, pairs, rows, lanes, at);
#else
    at = put_rows(room, pairs, rows, lanes, at);
#endif
    for (uint32_t lane = 0; lane < lanes; lane++) store32(states + 4 * lane, room->states[lane]);
    facts[0] = key.top;
    facts[1] = lanes_log2;
    facts[2] = (uint32_t)(states - tables);
    facts[3] = (uint32_t)(end - at);
    facts[4] = (uint32_t)(bits.at - raw_bits);
    return FINE;
}
