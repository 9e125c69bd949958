/* Reading differences. Every byte of the input may be hostile: lengths, tables, states and the number of raw bits
   are checked, and no index comes from the input without a bound. docs/internals/differences.md has the format. */

#include "rans.h"

typedef struct {
    uint32_t slots[CONTEXTS << SCALE_BITS]; /* symbol | frequency - 1 << 8 | place in its interval << 20 */
    uint32_t states[MOST_LANES];
    uint8_t contexts[TILE], symbols[TILE], base[TILE * 4];
} Room;

typedef struct {
    const uint8_t *at, *end;
} Stream;

typedef struct {
    const uint8_t *bytes;
    uint64_t length, at; /* the length in bytes, the place in bits */
} Bits;

/* -- tables -- */

INLINE int read_table(Stream *tables, uint32_t *slots) {
    uint32_t symbol = 0, used = 0;
    while (used < SCALE) {
        if (tables->at == tables->end) return DAMAGED;
        uint32_t frequency = *tables->at++;
        if (frequency == 0) {
            if (tables->at == tables->end || *tables->at == 0) return DAMAGED;
            symbol += *tables->at++;
            continue;
        }
        if (frequency & 128) {
            if (tables->at == tables->end) return DAMAGED;
            frequency = (frequency & 127) << 8 | *tables->at++;
        }
        if (symbol >= SYMBOLS || frequency == 0 || frequency > SCALE - used) return DAMAGED;
        for (uint32_t place = 0; place < frequency; place++)
            slots[used + place] = symbol | (frequency - 1) << 8 | place << 20;
        used += frequency;
        symbol++;
    }
    return FINE;
}

static int read_tables(const uint8_t *bytes, uint64_t length, uint32_t *slots) {
    Stream tables = {bytes, bytes + length};
    for (uint32_t context = 0; context < CONTEXTS; context++) {
        uint32_t *own = slots + ((size_t)context << SCALE_BITS);
        if (tables.at == tables.end) return DAMAGED;
        switch (*tables.at++) {
        case ABSENT:
            /* A word that meets this context changes no state and is refused when its symbol is looked at. */
            for (uint32_t slot = 0; slot < SCALE; slot++) own[slot] = NOTHING | (SCALE - 1u) << 8 | slot << 20;
            break;
        case TABLE:
            if (read_table(&tables, own) != FINE) return DAMAGED;
            break;
        case AS_BEFORE:
            if (context == 0) return DAMAGED;
            memcpy(own, own - SCALE, SCALE * sizeof *own);
            break;
        default:
            return DAMAGED;
        }
    }
    return tables.at == tables.end ? FINE : DAMAGED;
}

static int read_states(const uint8_t *bytes, uint32_t lanes, uint32_t *states) {
    for (uint32_t lane = 0; lane < lanes; lane++) {
        states[lane] = load32(bytes + 4 * lane);
        if (states[lane] < LOWEST_STATE || states[lane] >> 31) return DAMAGED;
    }
    return FINE;
}

/* -- symbols: lane i % lanes has symbol i -- */

/* States stay below 2^31, and at 8 or more before they take in a word, whatever the words are. */
static int symbols_with_care(const uint32_t *slots, uint32_t *states, const uint8_t *contexts, uint8_t *symbols,
                             size_t count, Stream *words) {
    for (size_t lane = 0; lane < count; lane++) {
        uint32_t state = states[lane], slot = slots[(uint32_t)contexts[lane] << SCALE_BITS | (state & (SCALE - 1))];
        symbols[lane] = (uint8_t)slot;
        state = ((slot >> 8 & 0xfff) + 1) * (state >> SCALE_BITS) + (slot >> 20);
        if (state < LOWEST_STATE) {
            if (words->end - words->at < 2) return DAMAGED;
            state = state << 16 | load16(words->at);
            words->at += 2;
        }
        states[lane] = state;
    }
    return FINE;
}

INLINE void symbols_of_row(const uint32_t *slots, uint32_t *states, const uint8_t *contexts, uint8_t *symbols,
                           uint32_t lanes, Stream *words) {
    const uint8_t *at = words->at;
    for (uint32_t lane = 0; lane < lanes; lane++) {
        uint32_t state = states[lane], slot = slots[(uint32_t)contexts[lane] << SCALE_BITS | (state & (SCALE - 1))];
        symbols[lane] = (uint8_t)slot;
        state = ((slot >> 8 & 0xfff) + 1) * (state >> SCALE_BITS) + (slot >> 20);
        uint32_t low = state < LOWEST_STATE, taken = state << 16 | load16(at);
        states[lane] = low ? taken : state;
        at += 2 * low;
    }
    words->at = at;
}

#if HAS_AVX2
/* Entry m spreads the first words over the lanes whose bits are set in m. */
#define BELOW(m, lane) ((uint64_t)COUNT((m) & ((1u << (lane)) - 1)) << 8 * (lane))
#define LANES(m) (BELOW(m, 0) | BELOW(m, 1) | BELOW(m, 2) | BELOW(m, 3) | BELOW(m, 4) | BELOW(m, 5) | BELOW(m, 6) | BELOW(m, 7))
static const uint64_t SPREAD[256] = {EVERY_MASK(LANES)};

AVX2 static void symbols_of_row_by_eights(const uint32_t *slots, uint32_t *states, const uint8_t *contexts,
                                          uint8_t *symbols, uint32_t lanes, Stream *words) {
    const uint8_t *at = words->at;
    const __m256i in_scale = _mm256_set1_epi32(SCALE - 1), one = _mm256_set1_epi32(1);
    const __m256i lowest = _mm256_set1_epi32(LOWEST_STATE), low_byte = _mm256_set1_epi32(255);
    for (uint32_t lane = 0; lane < lanes; lane += 8) {
        __m256i state = _mm256_loadu_si256((const __m256i *)(states + lane));
        __m256i context = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(contexts + lane)));
        __m256i index = _mm256_or_si256(_mm256_slli_epi32(context, SCALE_BITS), _mm256_and_si256(state, in_scale));
        __m256i slot = _mm256_i32gather_epi32((const int *)slots, index, 4);
        __m256i frequency = _mm256_add_epi32(_mm256_and_si256(_mm256_srli_epi32(slot, 8), in_scale), one);
        state = _mm256_add_epi32(_mm256_mullo_epi32(frequency, _mm256_srli_epi32(state, SCALE_BITS)),
                                 _mm256_srli_epi32(slot, 20));
        __m256i low = _mm256_cmpgt_epi32(lowest, state);
        uint32_t mask = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(low));
        __m256i taken = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)at));
        __m256i spread = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(SPREAD + mask)));
        taken = _mm256_or_si256(_mm256_slli_epi32(state, 16), _mm256_permutevar8x32_epi32(taken, spread));
        _mm256_storeu_si256((__m256i *)(states + lane), _mm256_blendv_epi8(state, taken, low));
        at += 2 * _mm_popcnt_u32(mask);
        __m256i symbol = _mm256_and_si256(slot, low_byte);
        __m256i halves = _mm256_packus_epi32(symbol, symbol), bytes = _mm256_packus_epi16(halves, halves);
        store32(symbols + lane, (uint32_t)_mm256_extract_epi32(bytes, 0));
        store32(symbols + lane + 4, (uint32_t)_mm256_extract_epi32(bytes, 4));
    }
    words->at = at;
}
#endif

/* The symbols of one tile. Near the end of the words every one is counted. */
static int read_symbols(Room *room, uint32_t lanes, size_t count, Stream *words, int path) {
    for (size_t at = 0; at < count; at += lanes) {
        size_t here = count - at < lanes ? count - at : lanes;
        if (here < lanes || words->end - words->at < (ptrdiff_t)(2 * lanes + 16)) {
            if (symbols_with_care(room->slots, room->states, room->contexts + at, room->symbols + at, here, words))
                return DAMAGED;
            continue;
        }
#if HAS_AVX2
        if (path == VECTOR) {
            symbols_of_row_by_eights(room->slots, room->states, room->contexts + at, room->symbols + at, lanes, words);
            continue;
        }
#endif
        symbols_of_row(room->slots, room->states, room->contexts + at, room->symbols + at, lanes, words);
    }
    (void)path;
    return FINE;
}

/* -- words -- */

/* At most 29 bits. The caller has seen that they are there. */
INLINE uint32_t take_bits(Bits *bits, uint32_t count) {
    uint64_t byte = bits->at >> 3, value = 0;
    if (byte + 8 <= bits->length) value = load64(bits->bytes + byte);
    else memcpy(&value, bits->bytes + byte, bits->length - byte);
    value = value >> (bits->at & 7) & ((1ull << count) - 1);
    bits->at += count;
    return (uint32_t)value;
}

#define READ_WORDS(SIZE, WORD)                                                                                         \
    INLINE void contexts_of_##SIZE(const uint8_t *base, Key key, uint8_t *contexts, size_t count) {                    \
        for (size_t at = 0; at < count; at++) {                                                                        \
            WORD word;                                                                                                 \
            memcpy(&word, base + at * sizeof word, sizeof word);                                                       \
            int32_t below = (int32_t)key.top - (int32_t)((word & (WORD)((WORD)~(WORD)0 >> 1)) >> key.shift);           \
            below = below < 0 ? 0 : below;                                                                             \
            contexts[at] = (uint8_t)(below > CONTEXTS - 1 ? CONTEXTS - 1 : below);                                     \
        }                                                                                                              \
    }                                                                                                                  \
    INLINE int large_##SIZE(const uint8_t *base, uint8_t symbol, Bits *bits, WORD *word) {                             \
        const WORD sign = (WORD)((WORD)1 << (SIZE - 1));                                                               \
        WORD known;                                                                                                    \
        memcpy(&known, base, sizeof known);                                                                            \
        if (symbol == ZERO) *word = 0;                                                                                 \
        else if (symbol == SIGNED_ZERO) *word = known & sign;                                                          \
        else {                                                                                                         \
            uint32_t power = FIRST_POWER + ((uint32_t)symbol - LITERALS) / 4, count = power - 2;                       \
            if (symbol >= AFTER_CLASSES || power >= SIZE || bits->at + count > bits->length * 8) return DAMAGED;       \
            uint32_t zigzag = (4 | (symbol & 3u)) << count;                                                            \
            zigzag |= take_bits(bits, count);                                                                          \
            *word = (WORD)(known + (WORD)((zigzag >> 1) ^ (0u - (zigzag & 1))));                                       \
        }                                                                                                              \
        return FINE;                                                                                                   \
    }                                                                                                                  \
    INLINE int words_of_##SIZE(const uint8_t *base, const uint8_t *symbols, size_t count, Bits *bits, uint8_t *out) {  \
        for (size_t at = 0; at < count; at++) {                                                                        \
            WORD word;                                                                                                 \
            memcpy(&word, base + at * sizeof word, sizeof word);                                                       \
            WORD zigzag = symbols[at];                                                                                 \
            word = (WORD)(word + (WORD)((WORD)(zigzag >> 1) ^ (WORD)(0 - (WORD)(zigzag & 1))));                        \
            memcpy(out + at * sizeof word, &word, sizeof word);                                                        \
        }                                                                                                              \
        for (size_t at = 0; at < count; at++) {                                                                        \
            if (at + 8 <= count && !(load64(symbols + at) & 0x8080808080808080ull)) {                                  \
                at += 7;                                                                                               \
                continue;                                                                                              \
            }                                                                                                          \
            if (symbols[at] < LITERALS) continue;                                                                      \
            WORD word = 0;                                                                                             \
            if (large_##SIZE(base + at * sizeof word, symbols[at], bits, &word)) return DAMAGED;                       \
            memcpy(out + at * sizeof word, &word, sizeof word);                                                        \
        }                                                                                                              \
        return FINE;                                                                                                   \
    }

FOR_EVERY_WORD(READ_WORDS)

INLINE void contexts_of(const uint8_t *base, Key key, uint8_t *contexts, size_t count) {
    if (key.width == 1) contexts_of_8(base, key, contexts, count);
    else if (key.width == 2) contexts_of_16(base, key, contexts, count);
    else contexts_of_32(base, key, contexts, count);
}

INLINE int words_of(const uint8_t *base, uint32_t width, const uint8_t *symbols, size_t count, Bits *bits,
                    uint8_t *out) {
    if (width == 1) return words_of_8(base, symbols, count, bits, out);
    if (width == 2) return words_of_16(base, symbols, count, bits, out);
    return words_of_32(base, symbols, count, bits, out);
}

typedef struct {
    Key key;
    const uint8_t *base;
    size_t base_count, count;
    uint32_t lanes;
    uint8_t *out;
} Block;

INLINE int read_block(const Block *block, Room *room, Stream *words, Bits *bits, int path) {
    const size_t width = block->key.width;
    for (size_t at = 0; at < block->count; at += TILE) {
        size_t count = block->count - at < TILE ? block->count - at : TILE;
        const uint8_t *base = base_tile(block->base, block->base_count, at, count, width, room->base);
        contexts_of(base, block->key, room->contexts, count);
        if (read_symbols(room, block->lanes, count, words, path)) return DAMAGED;
        if (words_of(base, block->key.width, room->symbols, count, bits, block->out + at * width)) return DAMAGED;
    }
    return FINE;
}

static int read_block_plainly(const Block *block, Room *room, Stream *words, Bits *bits) {
    return read_block(block, room, words, bits, SCALAR);
}

#if HAS_AVX2
AVX2 static int read_block_by_vectors(const Block *block, Room *room, Stream *words, Bits *bits) {
    return read_block(block, room, words, bits, VECTOR);
}
#endif

/* -- the door -- */

PUBLIC uint64_t bw_read_room(void) { return sizeof(Room); }

/* Fills `out` with `count` words. Lengths are in bytes. FINE, DAMAGED, or WRONG_CALL. */
PUBLIC int bw_delta_read(const uint8_t *tables, uint64_t tables_length, const uint8_t *states, uint64_t states_length,
                         const uint8_t *words, uint64_t words_length, const uint8_t *raw, uint64_t raw_length,
                         const uint8_t *base, uint64_t base_length, uint32_t width, uint32_t shift, uint32_t top,
                         uint32_t lanes, uint8_t *out, uint64_t out_length, void *room_bytes, uint64_t room_length,
                         int path) {
    const Key key = {width, shift, top};
    if (!is_key(key) || (lanes & (lanes - 1)) || lanes < 1 << LEAST_LANES_LOG2 || lanes > MOST_LANES) return DAMAGED;
    if (states_length != 4ull * lanes || (words_length & 1)) return DAMAGED;
    if (room_length < sizeof(Room) || ((uintptr_t)room_bytes & 15)) return WRONG_CALL;
    if (out_length % width || out_length / width > MOST_WORDS) return WRONG_CALL;
    Room *room = room_bytes;
    if (read_tables(tables, tables_length, room->slots) || read_states(states, lanes, room->states)) return DAMAGED;
    Stream stream = {words, words + words_length};
    Bits bits = {raw, raw_length, 0};
    const Block block = {key, base, (size_t)(base_length / width), (size_t)(out_length / width), lanes, out};
#if HAS_AVX2
    int read = path == VECTOR && has_vectors() ? read_block_by_vectors(&block, room, &stream, &bits)
                                               : read_block_plainly(&block, room, &stream, &bits);
#else
    int read = read_block_plainly(&block, room, &stream, &bits);
    (void)path;
#endif
    if (read != FINE || stream.at != stream.end || (bits.at + 7) / 8 != raw_length) return DAMAGED;
    /* The writer began in the lowest state, so whoever read it right ends there. */
    for (uint32_t lane = 0; lane < lanes; lane++)
        if (room->states[lane] != LOWEST_STATE) return DAMAGED;
    return FINE;
}
