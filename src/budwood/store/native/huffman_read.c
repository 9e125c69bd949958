/* Reading frames of literals (huffman.h), ours and libzstd's. Every byte of the input may be hostile: lengths and trees
   are checked, and no index comes from the input without a bound. Damage and what is no such frame are not told apart:
   whoever asked then asks libzstd. */

#include "huffman_read.h"

enum {
    AT_ONCE = 6,       /* symbols of a slot */
    STEPS = 5,         /* slots between two looks at the input: 55 bits of 56 */
    STEP_BYTES = 7,    /* of input that these take at most */
    STEP_SYMBOLS = STEPS * AT_ONCE,
    OVER = 8,          /* bytes that a slot writes, of which the symbols are the first */
    LEAST_LOG2 = 5,    /* of the states of weights */
};

/* -- streams that are read from their end -- */

typedef struct {
    const uint8_t *start;
    int64_t left; /* bits that were not read yet */
} Back;

INLINE int begin(Back *back, const uint8_t *start, size_t length) {
    if (length == 0 || start[length - 1] == 0) return DAMAGED;
    *back = (Back){start, (int64_t)(length - 1) * 8 + highest_bit(start[length - 1])};
    return FINE;
}

/* The next bits, none to 11, which stay unread; zeros where the stream has ended. */
INLINE uint32_t peek(const Back *back, uint32_t count) {
    const int64_t from = back->left - (int64_t)count;
    if (back->left >= 32) {
        const int64_t byte = ((back->left - 1) >> 3) - 3;
        return (uint32_t)((uint64_t)load32(back->start + byte) >> (from - byte * 8)) & ((1u << count) - 1);
    }
    uint32_t value = 0;
    for (int64_t byte = from < 0 ? 0 : from >> 3; byte * 8 < back->left; byte++) {
        const int64_t shift = byte * 8 - from;
        value |= shift < 0 ? (uint32_t)back->start[byte] >> -shift : (uint32_t)back->start[byte] << shift;
    }
    return value & ((1u << count) - 1);
}

INLINE uint32_t take(Back *back, uint32_t count) {
    uint32_t value = peek(back, count);
    back->left -= count;
    return value;
}

/* -- the tree (RFC 8878, 4.2.1) -- */

typedef struct {
    const uint8_t *bytes;
    uint64_t length, at; /* the length in bytes, the place in bits */
} Forward;

/* At most 16 bits from the place on; zeros past the end. */
INLINE uint32_t ahead(const Forward *bits) {
    uint32_t value = 0;
    for (uint64_t byte = bits->at >> 3, shift = 0; shift < 24 && byte < bits->length; byte++, shift += 8)
        value |= (uint32_t)bits->bytes[byte] << shift;
    return value >> (bits->at & 7);
}

/* How many states each weight has, and the log2 of their sum; the bytes that this took. */
static int read_shares(const uint8_t *from, uint64_t length, uint8_t *shares, uint32_t *log2) {
    Forward bits = {from, length, 4};
    *log2 = (ahead(&(Forward){from, length, 0}) & 15) + LEAST_LOG2;
    if (*log2 > WEIGHT_BITS) return DAMAGED;
    uint32_t threshold = 1u << *log2, left = threshold + 1, width = *log2 + 1, weight = 0;
    memset(shares, 0, WEIGHTS);
    while (left > 1) {
        const uint32_t spare = 2 * threshold - 1 - left, low = ahead(&bits) & (threshold - 1);
        uint32_t value = low < spare ? low : ahead(&bits) & (2 * threshold - 1);
        bits.at += low < spare ? width - 1 : width;
        if (low >= spare && value >= threshold) value -= spare;
        /* 0 would be a weight that comes less than once, which nobody writes here. */
        if (bits.at > length * 8 || weight >= WEIGHTS || value == 0 || value > left) return DAMAGED;
        shares[weight++] = (uint8_t)(value - 1);
        left -= value - 1;
        for (uint32_t zeros = 3; value == 1 && zeros == 3; weight += zeros, bits.at += 2) zeros = ahead(&bits) & 3;
        while (left < threshold) threshold >>= 1, width--;
    }
    return bits.at <= length * 8 ? (int)((bits.at + 7) / 8) : DAMAGED;
}

typedef struct {
    uint8_t weight, bits, next;
} State;

static void make_states(const uint8_t *shares, uint32_t log2, State *states) {
    uint8_t weights[WEIGHT_STATES], numbers[WEIGHTS];
    spread_states(shares, 1u << log2, weights);
    memcpy(numbers, shares, WEIGHTS);
    for (uint32_t state = 0; state < 1u << log2; state++) {
        const uint32_t number = numbers[weights[state]]++, bits = log2 - highest_bit(number);
        states[state] = (State){weights[state], (uint8_t)bits, (uint8_t)((number << bits) - (1u << log2))};
    }
}

/* The weights that two states tell in turns until the stream ends; how many. */
static int read_coded_weights(const uint8_t *from, uint64_t length, uint8_t *weights) {
    uint8_t shares[WEIGHTS];
    State table[WEIGHT_STATES];
    uint32_t log2, states[2], count = 0;
    const int head = read_shares(from, length, shares, &log2);
    Back back;
    if (head < 0 || begin(&back, from + head, length - (uint64_t)head)) return DAMAGED;
    make_states(shares, log2, table);
    states[0] = take(&back, log2);
    states[1] = take(&back, log2);
    if (back.left < 0) return DAMAGED;
    for (;; count++) {
        if (count >= SYMBOLS - 2) return DAMAGED;
        const State *state = table + states[count & 1];
        weights[count] = state->weight;
        if (state->bits > back.left) break;
        states[count & 1] = state->next + take(&back, state->bits);
    }
    weights[count + 1] = table[states[(count + 1) & 1]].weight;
    return (int)count + 2;
}

static int read_plain_weights(const uint8_t *from, uint32_t count, uint8_t *weights) {
    for (uint32_t at = 0; at < count; at++) {
        weights[at] = at & 1 ? from[at / 2] & 15 : from[at / 2] >> 4;
        if (weights[at] > MOST_BITS) return DAMAGED;
    }
    return (int)count;
}

/* The lengths of codes by their weights, of which the last is what fills the tree. */
static int find_lengths(uint8_t *weights, uint32_t count, uint8_t *lengths) {
    uint32_t filled = 0;
    for (uint32_t at = 0; at < count; at++) filled += weights[at] ? 1u << (weights[at] - 1) : 0;
    if (count == 0 || filled == 0 || filled >= SLOTS) return DAMAGED;
    const uint32_t longest = highest_bit(filled) + 1, rest = (1u << longest) - filled;
    if (rest & (rest - 1)) return DAMAGED;
    weights[count] = (uint8_t)(highest_bit(rest) + 1);
    memset(lengths, 0, SYMBOLS);
    for (uint32_t at = 0; at <= count; at++) lengths[at] = weights[at] ? (uint8_t)(longest + 1 - weights[at]) : 0;
    return FINE;
}

/* By the next 11 bits, the first symbol and its length << 8. */
static void fill_first(const uint8_t *lengths, uint16_t *first) {
    uint32_t at = 0;
    for (uint32_t length = MOST_BITS; length > 0; length--)
        for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
            if (lengths[symbol] == length)
                for (uint32_t end = at + (SLOTS >> length); at < end; at++)
                    first[at] = (uint16_t)(symbol | length << 8);
}

static void fill_slots(const uint16_t *first, uint64_t *slots) {
    for (uint32_t next = 0; next < SLOTS; next++) {
        uint64_t symbols = 0, count = 0;
        uint32_t bits = 0;
        while (count < AT_ONCE) {
            const uint32_t found = first[next << bits & (SLOTS - 1)];
            if (bits + (found >> 8) > MOST_BITS) break;
            symbols |= (uint64_t)(found & 255) << 8 * count++;
            bits += found >> 8;
        }
        slots[next] = bits | symbols << 8 | count << 56;
    }
}

/* The bytes that the tree took. */
static int64_t read_tree(const uint8_t *from, uint64_t length, Code *code) {
    uint8_t weights[SYMBOLS];
    uint16_t first[SLOTS];
    if (length == 0) return DAMAGED;
    const uint32_t head = from[0], is_plain = head >= 128, bytes = is_plain ? (head - 126) / 2 : head;
    code->is_known = 0;
    if (bytes > length - 1) return DAMAGED;
    const int count = is_plain ? read_plain_weights(from + 1, head - 127, weights)
                               : read_coded_weights(from + 1, bytes, weights);
    if (count < 0 || find_lengths(weights, (uint32_t)count, code->lengths)) return DAMAGED;
    fill_first(code->lengths, first);
    fill_slots(first, code->slots);
    code->is_known = 1;
    return 1 + (int64_t)bytes;
}

/* -- streams of symbols -- */

typedef struct {
    const uint8_t *start, *at; /* eight bytes from `at` on are held */
    uint64_t held;             /* the next bits on top, and below all others one that is set */
    uint8_t *out, *end;
} Stream;

/* Where both input and room are long enough for the quick loop, the stream is set up for it. */
static int open_stream(Stream *stream, const uint8_t *start, size_t length, uint8_t *out, size_t count) {
    if (length < 8 || start[length - 1] == 0) return DAMAGED;
    stream->start = start;
    stream->at = start + length - 8;
    stream->held = (load64(stream->at) | 1) << (8 - highest_bit(start[length - 1]));
    stream->out = out, stream->end = out + count;
    return FINE;
}

/* How many times all four may take their steps, whatever their bits are. */
INLINE uint64_t rounds_left(const Stream *streams) {
    uint64_t least = UINT64_MAX;
    for (int at = 0; at < 4; at++) {
        const Stream *stream = streams + at;
        const uint64_t room = (uint64_t)(stream->end - stream->out), input = (uint64_t)(stream->at - stream->start);
        const uint64_t by_room = room < OVER ? 0 : (room - OVER) / STEP_SYMBOLS, by_input = input / STEP_BYTES;
        least = by_room < least ? by_room : least;
        least = by_input < least ? by_input : least;
    }
    return least;
}

INLINE void step(const uint64_t *slots, uint64_t *held, uint8_t **out) {
    const uint64_t slot = slots[*held >> (64 - MOST_BITS)], symbols = slot >> 8;
    memcpy(*out, &symbols, OVER);
    *held <<= slot & 63;
    *out += slot >> 56;
}

INLINE void look(uint64_t *held, const uint8_t **at) {
    const uint32_t taken = (uint32_t)__builtin_ctzll(*held);
    *at -= taken >> 3;
    *held = (load64(*at) | 1) << (taken & 7);
}

/* Four streams side by side, so that one does not wait for the other. */
INLINE void read_rounds(const uint64_t *slots, Stream *streams) {
    Stream a = streams[0], b = streams[1], c = streams[2], d = streams[3];
    for (uint64_t rounds; (rounds = rounds_left((Stream[]){a, b, c, d})) > 0;)
        for (; rounds > 0; rounds--) {
            for (int each = 0; each < STEPS; each++) {
                step(slots, &a.held, &a.out);
                step(slots, &b.held, &b.out);
                step(slots, &c.held, &c.out);
                step(slots, &d.held, &d.out);
            }
            look(&a.held, &a.at);
            look(&b.held, &b.at);
            look(&c.held, &c.at);
            look(&d.held, &d.at);
        }
    streams[0] = a, streams[1] = b, streams[2] = c, streams[3] = d;
}

#if HAS_AVX2
AVX2 static void read_rounds_by_vectors(const uint64_t *slots, Stream *streams) { read_rounds(slots, streams); }
#endif

static void read_rounds_plainly(const uint64_t *slots, Stream *streams) { read_rounds(slots, streams); }

/* What is left of a stream, symbol by symbol; it must end with the room. */
static int read_rest(const Code *code, Back back, uint8_t *out, const uint8_t *end) {
    while (out < end) {
        const uint8_t symbol = (uint8_t)(code->slots[peek(&back, MOST_BITS)] >> 8);
        if (code->lengths[symbol] > back.left) return DAMAGED;
        back.left -= code->lengths[symbol];
        *out++ = symbol;
    }
    return back.left == 0 ? FINE : DAMAGED;
}

static int read_one_stream(const Code *code, const uint8_t *from, size_t length, uint8_t *out, size_t count) {
    Back back;
    return begin(&back, from, length) ? DAMAGED : read_rest(code, back, out, out + count);
}

static int read_four_streams(const Code *code, const uint8_t *from, uint64_t length, uint8_t *out, uint64_t count) {
    if (length < 6 || count < 6) return DAMAGED;
    const uint64_t quarter = (count + 3) / 4;
    uint64_t sizes[4] = {load16(from), load16(from + 2), load16(from + 4)}, counts[4] = {quarter, quarter, quarter};
    if (sizes[0] + sizes[1] + sizes[2] > length - 6 || 3 * quarter > count) return DAMAGED;
    sizes[3] = length - 6 - sizes[0] - sizes[1] - sizes[2], counts[3] = count - 3 * quarter;
    Stream streams[4];
    const uint8_t *start = from + 6;
    int quick = 1;
    for (int at = 0; at < 4; start += sizes[at], at++)
        quick &= open_stream(streams + at, start, sizes[at], out + (uint64_t)at * quarter, counts[at]) == FINE;
    start = from + 6;
    if (!quick) {
        for (int at = 0; at < 4; start += sizes[at], out += counts[at], at++)
            if (read_one_stream(code, start, sizes[at], out, counts[at])) return DAMAGED;
        return FINE;
    }
#if HAS_AVX2
    (has_vectors() ? read_rounds_by_vectors : read_rounds_plainly)(code->slots, streams);
#else
    read_rounds_plainly(code->slots, streams);
#endif
    for (int at = 0; at < 4; at++) {
        const Stream *stream = streams + at;
        const Back back = {stream->start, (stream->at - stream->start) * 8 + 64 - __builtin_ctzll(stream->held)};
        if (read_rest(code, back, stream->out, stream->end)) return DAMAGED;
    }
    return FINE;
}

/* -- blocks -- */

/* The literals of a block whose content they are; how many. */
static int64_t read_literals(Frame *frame, const uint8_t *from, uint64_t length, uint8_t *out, uint64_t room) {
    if (length < 6) return DAMAGED;
    const uint32_t kind = from[0] & 3, form = from[0] >> 2 & 3, width = form < 2 ? 10 : form == 2 ? 14 : 18;
    const uint64_t head = form < 2 ? 3 : form == 2 ? 4 : 5, fields = load32(from) | (uint64_t)from[4] << 32;
    const uint64_t mask = (1u << width) - 1, count = fields >> 4 & mask, coded = fields >> (4 + width) & mask;
    if (kind < WITH_TREE || count > room || head + coded + 1 != length || from[length - 1] != 0) return DAMAGED;
    from += head;
    const int64_t tree = kind == WITH_TREE ? read_tree(from, coded, frame->code) : 0;
    if (tree < 0 || !frame->code->is_known) return DAMAGED;
    from += tree;
    const uint64_t streams = coded - (uint64_t)tree;
    const int answer = form == 0 ? read_one_stream(frame->code, from, streams, out, count)
                                 : read_four_streams(frame->code, from, streams, out, count);
    return answer == FINE ? (int64_t)count : DAMAGED;
}

int64_t read_block(Frame *frame, uint8_t *out, uint64_t room) {
    if (frame->end - frame->at < 3) return DAMAGED;
    const uint32_t head = (uint32_t)load16(frame->at) | (uint32_t)frame->at[2] << 16, size = head >> 3;
    const enum block_kind kind = head >> 1 & 3;
    const uint64_t length = kind == RUN_BLOCK ? 1 : size, most = frame->left < room ? frame->left : room;
    const uint8_t *content = frame->at + 3;
    if (length > (uint64_t)(frame->end - content) || size > BLOCK) return DAMAGED;
    int64_t count = size;
    if (kind == CODED_BLOCK) count = read_literals(frame, content, length, out, most < BLOCK ? most : BLOCK);
    else if (size > most || kind > CODED_BLOCK) return DAMAGED;
    else if (kind == RAW_BLOCK) memcpy(out, content, size);
    else memset(out, content[0], size);
    if (count <= 0) return DAMAGED;
    frame->at = content + length;
    frame->left -= (uint64_t)count;
    /* The last block is the one that says so, no earlier and no later. */
    return (head & 1) == (frame->left == 0) ? count : DAMAGED;
}

int open_frame(Frame *frame, const uint8_t *bytes, uint64_t length, uint64_t count, Code *code) {
    if (length < 10 || load32(bytes) != FRAME_MAGIC) return DAMAGED;
    /* The content's size, in one, two or four bytes, is behind the window's if there is one: what matches need. */
    const uint32_t descriptor = bytes[4], form = descriptor >> 6, has_window = !(descriptor & 0x20);
    const uint8_t *at = bytes + 5 + has_window;
    if (descriptor & 0x1f || form > 2 || (form == 0 && has_window)) return DAMAGED;
    const uint64_t size = form == 0 ? at[0] : form == 1 ? load16(at) + 256u : load32(at);
    if (size != count) return DAMAGED;
    code->is_known = 0;
    *frame = (Frame){at + (1u << form), bytes + length, count, code};
    return FINE;
}

int close_frame(const Frame *frame) { return frame->left == 0 && frame->at == frame->end ? FINE : DAMAGED; }

/* -- the door -- */

PUBLIC uint64_t bw_code_room(void) { return sizeof(Code); }

/* Fills `out` with the content of a frame. FINE, DAMAGED where it is another kind of frame or none, or WRONG_CALL. */
PUBLIC int bw_huffman_read(const uint8_t *frame_bytes, uint64_t length, uint8_t *out, uint64_t count, void *room_bytes,
                           uint64_t room_length) {
    Frame frame;
    if (room_length < sizeof(Code) || ((uintptr_t)room_bytes & 15)) return WRONG_CALL;
    if (open_frame(&frame, frame_bytes, length, count, room_bytes)) return DAMAGED;
    while (frame.left > 0) {
        const int64_t here = read_block(&frame, out, frame.left);
        if (here < 0) return DAMAGED;
        out += here;
    }
    return close_frame(&frame);
}
