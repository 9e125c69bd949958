/* Writing a plane as a frame of literals (huffman.h). Codes are made of a sample of each block. */

#include "huffman.h"

enum {
    STEP = 4096, /* of which one run in four is counted */
    RUN = STEP / 4,
    SAMPLED = 32 << 10, /* shorter blocks are counted whole */
    MOST_UNSEEN = 8,    /* symbols that are given a code without having been counted */
    LEAST = 256,        /* shorter blocks are written raw */
    TREE = 40,          /* bytes that most trees take */
    WORTH_A_TREE = 1000, /* a code must be better by one in so many, since a sample flatters it */
    WINDOW = 16,        /* symbols that the vector path finds by one look */
};

typedef struct {
    uint16_t codes[SYMBOLS];
    uint8_t lengths[SYMBOLS]; /* 0 for symbols that have no code */
    uint32_t longest;
} Code;

typedef struct {
    uint32_t pairs[SYMBOLS * SYMBOLS]; /* by two symbols: their codes << 8 | the bits of both */
    uint32_t counts[8][SYMBOLS];
    Code code, own;                                   /* in use, and the one that suits a block best */
    uint8_t codes_in[2][WINDOW], masks_in[2][WINDOW]; /* of the symbols from `first` on, in low and high bytes */
    uint8_t first, quick;
} Room;

/* -- how often each symbol comes -- */

static void count_run(Room *room, const uint8_t *plane, size_t count) {
    /* Eight rows of counters: neighbours are often equal, and one counter would wait for itself. */
    size_t at = 0;
    for (; at + 8 <= count; at += 8) {
        uint64_t eight = load64(plane + at);
        for (int row = 0; row < 8; row++) room->counts[row][eight >> 8 * row & 255]++;
    }
    for (; at < count; at++) room->counts[0][plane[at]]++;
}

static void add_rows(Room *room) {
    for (int row = 1; row < 8; row++)
        for (int symbol = 0; symbol < SYMBOLS; symbol++) room->counts[0][symbol] += room->counts[row][symbol];
}

/* Between which symbols all lie, 0 apart. `least` is 0 where there is no other. */
typedef struct {
    uint8_t has_zero, least, most;
} Range;

INLINE Range range_of(const uint8_t *plane, size_t count) {
    uint8_t lowest = 255, before_least = 255, most = 0;
    for (size_t at = 0; at < count; at++) {
        uint8_t symbol = plane[at], before = (uint8_t)(symbol - 1);
        lowest = symbol < lowest ? symbol : lowest;
        before_least = before < before_least ? before : before_least;
        most = symbol > most ? symbol : most;
    }
    return (Range){lowest == 0, (uint8_t)(before_least + 1), most};
}

#if HAS_AVX2
AVX2 static Range range_by_vectors(const uint8_t *plane, size_t count) { return range_of(plane, count); }
#endif

static Range range_plainly(const uint8_t *plane, size_t count) { return range_of(plane, count); }

/* Counts a run of each step, another one each time, and lets all symbols count that may have been missed: 0 and those in
   the range. 0 where these would be many. */
static int count_sample(Room *room, const uint8_t *plane, size_t count, Range range) {
    uint32_t *counts = room->counts[0], unseen = 0;
    for (size_t at = 0; at + STEP <= count; at += STEP)
        count_run(room, plane + at + (at / STEP & 3) * RUN, RUN);
    add_rows(room);
    for (uint32_t symbol = range.least; range.least && symbol <= range.most; symbol++) {
        unseen += counts[symbol] == 0;
        counts[symbol] += counts[symbol] == 0;
    }
    counts[0] += range.has_zero && counts[0] == 0;
    return unseen <= MOST_UNSEEN;
}

/* Of how many symbols one was counted. */
static uint32_t count_symbols(Room *room, const uint8_t *plane, size_t count, Range range) {
    memset(room->counts, 0, sizeof room->counts);
    if (count >= SAMPLED && count_sample(room, plane, count, range)) return STEP / RUN;
    memset(room->counts, 0, sizeof room->counts);
    count_run(room, plane, count);
    add_rows(room);
    return 1;
}

/* -- the code -- */

typedef struct {
    uint32_t count;
    uint16_t parent;
    uint8_t depth, symbol;
} Node;

/* The symbols that come, the rarest first. */
static uint32_t sort_symbols(const uint32_t *counts, Node *nodes) {
    uint32_t leaves = 0;
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++) {
        if (counts[symbol] == 0) continue;
        uint32_t at = leaves++;
        for (; at > 0 && nodes[at - 1].count > counts[symbol]; at--) nodes[at] = nodes[at - 1];
        nodes[at] = (Node){counts[symbol], 0, 0, (uint8_t)symbol};
    }
    return leaves;
}

/* Huffman's depths, by van Leeuwen's two queues: leaves as sorted, and their parents in the order made. */
static void find_depths(Node *nodes, uint32_t leaves) {
    uint32_t leaf = 0, joined = leaves, end = leaves;
    while (end < 2 * leaves - 1) {
        uint32_t sum = 0;
        for (int child = 0; child < 2; child++) {
            uint32_t next = joined == end || (leaf < leaves && nodes[leaf].count <= nodes[joined].count) ? leaf++ : joined++;
            sum += nodes[next].count;
            nodes[next].parent = (uint16_t)end;
        }
        nodes[end++] = (Node){sum, 0, 0, 0};
    }
    for (uint32_t at = end - 1; at-- > 0;) nodes[at].depth = (uint8_t)(nodes[nodes[at].parent].depth + 1);
}

/* The leaf that becomes longer by a bit at the least cost for the place that this gives back, of which `over` is wanted.
   Leaves of one depth are sorted, so that only the first of each is looked at. */
static uint32_t cheapest(const Node *nodes, uint32_t leaves, uint32_t over) {
    uint32_t best = 0, best_place = 0, seen = 1u << MOST_BITS;
    for (uint32_t at = 0; at < leaves; at++) {
        if (seen >> nodes[at].depth & 1) continue;
        seen |= 1u << nodes[at].depth;
        uint32_t place = 1u << (MOST_BITS - 1 - nodes[at].depth);
        place = place < over ? place : over;
        if (best_place && (uint64_t)nodes[at].count * best_place >= (uint64_t)nodes[best].count * place) continue;
        best = at, best_place = place;
    }
    return best;
}

/* Cuts what is too deep and mends the others until they fill the tree to the last place again. */
static void limit_depths(Node *nodes, uint32_t leaves) {
    int32_t over = -(1 << MOST_BITS);
    for (uint32_t at = 0; at < leaves; at++) {
        if (nodes[at].depth > MOST_BITS) nodes[at].depth = MOST_BITS;
        over += 1 << (MOST_BITS - nodes[at].depth);
    }
    while (over > 0) over -= 1 << (MOST_BITS - ++nodes[cheapest(nodes, leaves, (uint32_t)over)].depth);
    while (over < 0)
        /* A symbol of the longest code fits always; the commonest that does is taken. */
        for (uint32_t at = leaves; at-- > 0 && over < 0;)
            if (1 << (MOST_BITS - nodes[at].depth) <= -over) over += 1 << (MOST_BITS - nodes[at].depth--);
}

/* Codes in the order that a reader fills its table in: the longest first, equal ones by their symbols. */
static void assign_codes(Code *code) {
    uint32_t next = 0;
    code->longest = 0;
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        code->longest = code->lengths[symbol] > code->longest ? code->lengths[symbol] : code->longest;
    for (uint32_t length = code->longest; length > 0; length--, next >>= 1)
        for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
            if (code->lengths[symbol] == length) code->codes[symbol] = (uint16_t)next++;
}

/* DAMAGED where there are not two symbols. */
static int make_lengths(const uint32_t *counts, Code *code) {
    Node nodes[2 * SYMBOLS];
    uint32_t leaves = sort_symbols(counts, nodes);
    memset(code->lengths, 0, sizeof code->lengths);
    if (leaves < 2) return DAMAGED;
    find_depths(nodes, leaves);
    limit_depths(nodes, leaves);
    for (uint32_t at = 0; at < leaves; at++) code->lengths[nodes[at].symbol] = nodes[at].depth;
    return FINE;
}

/* The bits that these symbols take; more than can be where one has no code. */
static uint64_t bits_of(const uint32_t *counts, const Code *code) {
    uint64_t bits = 0;
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        bits += (uint64_t)counts[symbol] * (code->lengths[symbol] ? code->lengths[symbol] : 1u << 20);
    return bits;
}

static void fill_pairs(Room *room) {
    uint8_t present[SYMBOLS];
    uint32_t count = 0;
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        if (room->code.lengths[symbol]) present[count++] = (uint8_t)symbol;
    for (uint32_t later = 0; later < count; later++) {
        uint32_t second = present[later], length = room->code.lengths[second], *row = room->pairs + (second << 8);
        for (uint32_t at = 0; at < count; at++) {
            uint32_t first = present[at], codes = room->code.codes[second] | (uint32_t)room->code.codes[first] << length;
            row[first] = codes << 8 | (length + room->code.lengths[first]);
        }
    }
}

/* The vector path pays where one window has nearly all. */
static void fill_window(Room *room) {
    const uint32_t *counts = room->counts[0];
    uint32_t all = 0, within = 0, most = 0;
    room->first = 0;
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++) {
        all += counts[symbol];
        within += counts[symbol] - (symbol >= WINDOW ? counts[symbol - WINDOW] : 0);
        if (symbol < WINDOW - 1 || within <= most) continue;
        most = within;
        room->first = (uint8_t)(symbol - (WINDOW - 1));
    }
    room->quick = most >= all - all / 64;
    for (uint32_t at = 0; at < WINDOW; at++) {
        const uint32_t symbol = room->first + at;
        const uint32_t code = room->code.codes[symbol], mask = (1u << room->code.lengths[symbol]) - 1;
        room->codes_in[0][at] = (uint8_t)code, room->codes_in[1][at] = (uint8_t)(code >> 8);
        room->masks_in[0][at] = (uint8_t)mask, room->masks_in[1][at] = (uint8_t)(mask >> 8);
    }
}

/* -- the tree, as it is written: weights by tabled asymmetric numerals in two states (RFC 8878, 4.2.1.2) -- */

typedef struct {
    uint8_t *at;
    uint64_t held;
    uint32_t count;
} Bits;

INLINE void put_bits(Bits *bits, uint32_t value, uint32_t count) {
    bits->held |= (uint64_t)value << bits->count;
    bits->count += count;
    while (bits->count >= 8) {
        *bits->at++ = (uint8_t)bits->held;
        bits->held >>= 8;
        bits->count -= 8;
    }
}

/* Shares of WEIGHT_STATES, at least 1 for what occurs. 0 where there is only one weight. */
static int share_states(const uint8_t *weights, uint32_t count, uint8_t *shares) {
    uint32_t counts[WEIGHTS] = {0}, used = 0, most = 0;
    for (uint32_t at = 0; at < count; at++) counts[weights[at]]++;
    for (uint32_t weight = 0; weight < WEIGHTS; weight++) {
        uint32_t share = counts[weight] * WEIGHT_STATES / count;
        shares[weight] = (uint8_t)(counts[weight] && !share ? 1 : share);
        used += shares[weight];
        most = counts[weight] > counts[most] ? weight : most;
    }
    if (counts[most] == count) return 0;
    /* What was rounded up is at most a state for each weight, and the commonest has more than all of these. */
    shares[most] = (uint8_t)(shares[most] + WEIGHT_STATES - used);
    return shares[most] > 0 && shares[most] < WEIGHT_STATES;
}

static void write_shares(const uint8_t *shares, Bits *bits) {
    uint32_t left = WEIGHT_STATES + 1, threshold = WEIGHT_STATES, width = WEIGHT_BITS + 1;
    put_bits(bits, WEIGHT_BITS - 5, 4);
    for (uint32_t weight = 0; left > 1; weight++) {
        uint32_t share = shares[weight], spare = 2 * threshold - 1 - left, value = share + 1;
        left -= share;
        if (value >= threshold) value += spare;
        put_bits(bits, value, width - (value < spare));
        while (left < threshold) threshold >>= 1, width--;
        if (share) continue;
        uint32_t zeros = 0;
        while (left > 1 && shares[weight + 1] == 0) weight++, zeros++;
        for (; zeros >= 3; zeros -= 3) put_bits(bits, 3, 2);
        put_bits(bits, zeros, 2);
    }
    if (bits->count) put_bits(bits, 0, 8 - bits->count);
}

/* By weight and number: the state that is the so manieth of this weight. */
static void find_states(const uint8_t *shares, uint8_t found[WEIGHTS][WEIGHT_STATES]) {
    uint8_t states[WEIGHT_STATES], numbers[WEIGHTS] = {0};
    spread_states(shares, WEIGHT_STATES, states);
    for (uint32_t state = 0; state < WEIGHT_STATES; state++) found[states[state]][numbers[states[state]]++] = (uint8_t)state;
}

/* Writes the weights from the last to the first, in turns by two states, and then these. */
static void write_weights(const uint8_t *weights, uint32_t count, const uint8_t *shares, Bits *bits) {
    uint8_t found[WEIGHTS][WEIGHT_STATES];
    uint32_t states[2] = {0, 0};
    find_states(shares, found);
    for (uint32_t at = count; at-- > 0;) {
        uint32_t *state = states + (at & 1), weight = weights[at], share = shares[weight], out = 0;
        if (at + 2 >= count) {
            *state = WEIGHT_STATES + found[weight][0];
            continue;
        }
        while (*state >> out >= 2 * share) out++;
        put_bits(bits, *state & ((1u << out) - 1), out);
        *state = WEIGHT_STATES + found[weight][(*state >> out) - share];
    }
    put_bits(bits, states[1] - WEIGHT_STATES, WEIGHT_BITS);
    put_bits(bits, states[0] - WEIGHT_STATES, WEIGHT_BITS);
    put_bits(bits, 1, 1);
    if (bits->count) put_bits(bits, 0, 8 - bits->count);
}

/* The bytes of the tree; 0 where it cannot be written so. `out` has room for 512. */
static uint32_t write_tree(const Code *code, uint8_t *out) {
    uint8_t weights[SYMBOLS], shares[WEIGHTS];
    uint32_t last = SYMBOLS - 1;
    while (!code->lengths[last]) last--;
    for (uint32_t symbol = 0; symbol < last; symbol++)
        weights[symbol] = (uint8_t)weight_of(code->lengths[symbol], code->longest);
    if (last < 2 || !share_states(weights, last, shares)) return 0;
    Bits bits = {out + 1, 0, 0};
    write_shares(shares, &bits);
    write_weights(weights, last, shares, &bits);
    uint32_t length = (uint32_t)(bits.at - out) - 1;
    if (length >= 128) return 0;
    out[0] = (uint8_t)length;
    return length + 1;
}

/* -- streams, from the last symbol to the first -- */

typedef struct {
    uint8_t *at;
    uint64_t held, count; /* `count` bits are held, fewer than 8 between two steps */
} Stream;

/* At most 56 bits; eight bytes are written over. */
INLINE void put(Stream *stream, uint64_t codes, uint64_t count) {
    stream->held |= codes << stream->count;
    stream->count += count;
    memcpy(stream->at, &stream->held, 8);
    stream->at += stream->count >> 3;
    stream->held >>= stream->count & 56;
    stream->count &= 7;
}

INLINE void put_four(const Room *room, const uint8_t *four, Stream *stream) {
    uint32_t later = room->pairs[load16(four + 2)], first = room->pairs[load16(four)];
    put(stream, later >> 8 | (uint64_t)(first >> 8) << (later & 255), (uint64_t)(later & 255) + (first & 255));
}

INLINE void put_rest(const Room *room, const uint8_t *from, size_t count, Stream *stream) {
    for (; count & 3; count--) put(stream, room->code.codes[from[count - 1]], room->code.lengths[from[count - 1]]);
    for (; count > 0; count -= 4) put_four(room, from + count - 4, stream);
}

static void put_plainly(const Room *room, const uint8_t *from, size_t count, Stream *stream) {
    put_rest(room, from, count, stream);
}

#if HAS_AVX2
/* The codes of eight symbols, each in a place of two bytes; `pext` takes those bits together that count. */
INLINE AVX2 void put_eight(const uint64_t *codes, const uint64_t *masks, Stream *stream) {
    uint64_t later = (uint64_t)__builtin_popcountll(masks[0]), first = (uint64_t)__builtin_popcountll(masks[1]);
    uint64_t low = _pext_u64(codes[0], masks[0]), high = _pext_u64(codes[1], masks[1]);
    if (UNLIKELY(later + first > 56)) put(stream, low, later), put(stream, high, first);
    else put(stream, low | high << later, later + first);
}

/* 32 symbols are looked up at once. One that the window does not have finds an empty mask. */
AVX2 static void put_by_vectors(const Room *room, const uint8_t *from, size_t count, Stream *stream) {
#define WINDOW_OF(table) _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(table)))
    const __m256i low_codes = WINDOW_OF(room->codes_in[0]), high_codes = WINDOW_OF(room->codes_in[1]);
    const __m256i low_masks = WINDOW_OF(room->masks_in[0]), high_masks = WINDOW_OF(room->masks_in[1]);
    const __m256i first = _mm256_set1_epi8((char)room->first), beyond = _mm256_set1_epi8(0x70);
    const __m256i reversed = _mm256_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
                                             14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    Stream local = *stream;
    for (; count >= 32; count -= 32) {
        const uint8_t *here = from + count - 32;
        uint64_t codes[8], masks[8];
        __m256i place = _mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)here), first);
        place = _mm256_adds_epu8(_mm256_shuffle_epi8(place, reversed), beyond);
        __m256i low = _mm256_shuffle_epi8(low_masks, place), high = _mm256_shuffle_epi8(high_masks, place);
        if (UNLIKELY(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, _mm256_setzero_si256())))) {
            put_rest(room, here, 32, &local);
            continue;
        }
        _mm256_storeu_si256((__m256i *)masks, _mm256_unpacklo_epi8(low, high));
        _mm256_storeu_si256((__m256i *)(masks + 4), _mm256_unpackhi_epi8(low, high));
        low = _mm256_shuffle_epi8(low_codes, place), high = _mm256_shuffle_epi8(high_codes, place);
        _mm256_storeu_si256((__m256i *)codes, _mm256_unpacklo_epi8(low, high));
        _mm256_storeu_si256((__m256i *)(codes + 4), _mm256_unpackhi_epi8(low, high));
        put_eight(codes + 6, masks + 6, &local);
        put_eight(codes + 2, masks + 2, &local);
        put_eight(codes + 4, masks + 4, &local);
        put_eight(codes, masks, &local);
    }
    put_rest(room, from, count, &local);
    *stream = local;
}
#endif

/* `pext` must be one step: the first processors that had it at AMD took hundreds. */
static int takes_vectors(int path) {
#if HAS_AVX2
    return path == VECTOR && has_vectors() && !__builtin_cpu_is("amdfam17h");
#else
    (void)path;
    return 0;
#endif
}

/* The bytes of the stream. */
static uint32_t write_stream(const Room *room, const uint8_t *from, size_t count, uint8_t *out, int quick) {
    Stream stream = {out, 0, 0};
#if HAS_AVX2
    (quick && room->quick ? put_by_vectors : put_plainly)(room, from, count, &stream);
#else
    (void)quick;
    put_plainly(room, from, count, &stream);
#endif
    put(&stream, 1, 1);
    return (uint32_t)(stream.at - out) + (stream.count > 0);
}

/* -- blocks -- */

static uint8_t *write_head(uint8_t *at, int is_last, enum block_kind kind, uint32_t size) {
    uint32_t head = (uint32_t)is_last | (uint32_t)kind << 1 | size << 3;
    store16(at, (uint16_t)head);
    at[2] = (uint8_t)(head >> 16);
    return at + 3;
}

/* The literals of a block behind its head; their end, where no sequence follows. */
static uint8_t *write_literals(const Room *room, const uint8_t *from, uint32_t count, const uint8_t *tree,
                               uint32_t tree_length, uint8_t *at, int quick) {
    uint8_t *head = at, *sizes = at + 5 + tree_length;
    const uint32_t quarter = (count + 3) / 4;
    memcpy(head + 5, tree, tree_length);
    at = sizes + 6;
    for (uint32_t stream = 0; stream < 4; stream++) {
        uint32_t length = write_stream(room, from + stream * quarter, stream < 3 ? quarter : count - 3 * quarter, at, quick);
        if (stream < 3) store16(sizes + 2 * stream, (uint16_t)length);
        at += length;
    }
    uint64_t kind = tree_length ? WITH_TREE : TREE_AS_BEFORE, coded = (uint64_t)(at - head) - 5;
    uint64_t fields = kind | 3 << 2 | (uint64_t)count << 4 | coded << 22;
    store32(head, (uint32_t)fields);
    head[4] = (uint8_t)(fields >> 32);
    *at++ = 0;
    return at;
}

/* The code for a block: its own where that pays for its tree, else the one in use. The bytes of the tree, in `tree`; 0
   for none; DAMAGED where no code is worth it. */
static int choose_code(Room *room, const uint8_t *from, uint32_t count, uint8_t *tree, int path) {
    const uint32_t *counts = room->counts[0];
#if HAS_AVX2
    Range range = (path == VECTOR && has_vectors() ? range_by_vectors : range_plainly)(from, count);
#else
    Range range = range_plainly(from, count);
    (void)path;
#endif
    const uint64_t part = count_symbols(room, from, count, range);
    if (make_lengths(counts, &room->own)) return DAMAGED;
    const uint64_t own = bits_of(counts, &room->own), before = bits_of(counts, &room->code);
    if (own >= 8 * (count / part)) return DAMAGED;
    if (before <= own + own / WORTH_A_TREE + 8 * TREE / part) return 0;
    assign_codes(&room->own);
    const uint32_t length = write_tree(&room->own, tree);
    if (length == 0) return DAMAGED;
    room->code = room->own;
    fill_pairs(room);
    fill_window(room);
    return (int)length;
}

/* -- the door -- */

PUBLIC uint64_t bw_huffman_room(void) { return sizeof(Room); }

/* Writes `count` bytes as one frame and returns its length, which is less than theirs; 0 where it would not be; or
   WRONG_CALL. `out` has room for half as many more and 1024. */
PUBLIC int64_t bw_huffman_write(const uint8_t *plane, uint64_t count, uint8_t *out, uint64_t out_length,
                                void *room_bytes, uint64_t room_length, int path) {
    if (count > 1u << 24 || out_length < count + count / 2 + 1024) return WRONG_CALL;
    if (room_length < sizeof(Room) || ((uintptr_t)room_bytes & 15)) return WRONG_CALL;
    Room *room = room_bytes;
    uint8_t tree[512], *at = out + 9;
    const int is_quick = takes_vectors(path);
    memset(room->code.lengths, 0, sizeof room->code.lengths);
    store32(out, FRAME_MAGIC);
    out[4] = FRAME_DESCRIPTOR;
    store32(out + 5, (uint32_t)count);
    for (uint64_t from = 0; from < count; from += BLOCK) {
        const int is_last = count - from <= BLOCK;
        const uint32_t here = is_last ? (uint32_t)(count - from) : BLOCK;
        const int length = here < LEAST ? DAMAGED : choose_code(room, plane + from, here, tree, path);
        uint8_t *end = length < 0 ? NULL : write_literals(room, plane + from, here, tree, (uint32_t)length, at + 3, is_quick);
        if (end && end - at - 3 < here) {
            write_head(at, is_last, CODED_BLOCK, (uint32_t)(end - at) - 3);
            at = end;
            continue;
        }
        memcpy(write_head(at, is_last, RAW_BLOCK, here), plane + from, here);
        at += 3 + here;
        /* A reader has not seen the tree. */
        if (length > 0) memset(room->code.lengths, 0, sizeof room->code.lengths);
    }
    return (uint64_t)(at - out) < count ? at - out : 0;
}
