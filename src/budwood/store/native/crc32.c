/* The CRC-32 of zlib, by carry-less multiplication: what guards every encoded block in a pack.

   A message is a polynomial over two elements, and only its remainder counts. So 128 bits of it may be moved on by D bits
   when they are multiplied by x^D modulo P: "folded" onto what lies there. Several lanes are folded at once, each onto
   its own next bits; what remains of all lanes is 128 bits, which are summed up the plain way like any other bytes.

   The constants are x^(D+32) for a lane's first 64 bits and x^(D-32) for its last, modulo P, their bits in reverse. */

#include "budwood.h"

/* What four bits do to a sum. Plain, without a table that would have to be made first: for ends of blocks, and as what
   the tests hold the other paths against. */
static uint32_t sum_plainly(uint32_t sum, const uint8_t *at, uint64_t length) {
    static const uint32_t fours[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    for (; length; at++, length--) {
        sum ^= *at;
        sum = fours[sum & 15] ^ sum >> 4;
        sum = fours[sum & 15] ^ sum >> 4;
    }
    return sum;
}

#if HAS_CLMUL

enum { LANE = 16, LANES = 16, ROW = LANE * LANES };

INLINE CLMUL __m128i constants(uint64_t first, uint64_t last) { return _mm_set_epi64x((int64_t)last, (int64_t)first); }

INLINE CLMUL __m128i load_lane(const uint8_t *at) { return _mm_loadu_si128((const __m128i *)at); }

INLINE CLMUL __m128i fold(__m128i lane, __m128i onto, __m128i by) {
    __m128i first = _mm_clmulepi64_si128(lane, by, 0x00), last = _mm_clmulepi64_si128(lane, by, 0x11);
    return _mm_xor_si128(onto, _mm_xor_si128(first, last));
}

/* Whole lanes folded into one, which is left in `lane`. */
static CLMUL void fold_lanes(const uint8_t *at, uint64_t length, __m128i *lane) {
    const __m128i by_one = constants(0x1751997d0, 0x0ccaa009e);
    __m128i all = *lane;
    for (; length; at += LANE, length -= LANE) all = fold(all, load_lane(at), by_one);
    *lane = all;
}

/* Rows of four lanes, the first of them with the sum so far in it. Leaves four lanes. */
static CLMUL void fold_narrow(uint32_t sum, const uint8_t *at, uint64_t length, uint8_t *lanes) {
    const __m128i by_four = constants(0x154442bd4, 0x1c6e41596);
    __m128i one = _mm_xor_si128(load_lane(at), _mm_cvtsi32_si128((int)sum));
    __m128i two = load_lane(at + 16), three = load_lane(at + 32), four = load_lane(at + 48);
    for (const uint8_t *end = at + length; (at += 64) < end;) {
        one = fold(one, load_lane(at), by_four);
        two = fold(two, load_lane(at + 16), by_four);
        three = fold(three, load_lane(at + 32), by_four);
        four = fold(four, load_lane(at + 48), by_four);
    }
    _mm_storeu_si128((__m128i *)lanes, one);
    _mm_storeu_si128((__m128i *)(lanes + 16), two);
    _mm_storeu_si128((__m128i *)(lanes + 32), three);
    _mm_storeu_si128((__m128i *)(lanes + 48), four);
}

INLINE CLMUL512 __m512i fold_wide_once(__m512i lanes, const uint8_t *onto, __m512i by) {
    __m512i first = _mm512_clmulepi64_epi128(lanes, by, 0x00), last = _mm512_clmulepi64_epi128(lanes, by, 0x11);
    return _mm512_ternarylogic_epi64(first, last, _mm512_loadu_si512(onto), 0x96);
}

/* Likewise rows of sixteen lanes. Leaves sixteen. */
static CLMUL512 void fold_wide(uint32_t sum, const uint8_t *at, uint64_t length, uint8_t *lanes) {
    const __m512i by_sixteen = _mm512_broadcast_i32x4(constants(0x11542778a, 0x1322d1430));
    __m512i one = _mm512_xor_si512(_mm512_loadu_si512(at), _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)sum)));
    __m512i two = _mm512_loadu_si512(at + 64), three = _mm512_loadu_si512(at + 128);
    __m512i four = _mm512_loadu_si512(at + 192);
    for (const uint8_t *end = at + length; (at += ROW) < end;) {
        one = fold_wide_once(one, at, by_sixteen);
        two = fold_wide_once(two, at + 64, by_sixteen);
        three = fold_wide_once(three, at + 128, by_sixteen);
        four = fold_wide_once(four, at + 192, by_sixteen);
    }
    _mm512_storeu_si512(lanes, one);
    _mm512_storeu_si512(lanes + 64, two);
    _mm512_storeu_si512(lanes + 128, three);
    _mm512_storeu_si512(lanes + 192, four);
}

static CLMUL uint32_t sum_by_lanes(uint32_t sum, const uint8_t *at, uint64_t length, int path) {
    const uint64_t row = path == CRC_WIDE ? ROW : 64, rows = length / row * row, whole = length / LANE * LANE;
    uint8_t lanes[ROW];
    (path == CRC_WIDE ? fold_wide : fold_narrow)(sum, at, rows, lanes);
    __m128i lane = load_lane(lanes);
    fold_lanes(lanes + LANE, row - LANE, &lane);
    fold_lanes(at + rows, whole - rows, &lane);
    _mm_storeu_si128((__m128i *)lanes, lane);
    return sum_plainly(sum_plainly(0, lanes, LANE), at + whole, length - whole);
}

#endif

/* The best path that this machine has. */
PUBLIC int bw_crc32_path(void) {
#if HAS_CLMUL
    if (!__builtin_cpu_supports("pclmul")) return CRC_PLAIN;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq") ? CRC_WIDE : CRC_NARROW;
#else
    return CRC_PLAIN;
#endif
}

/* As zlib's crc32(before, bytes, length). A block too short for a path, or a path that this machine lacks, goes the next
   one. */
PUBLIC uint32_t bw_crc32(uint32_t before, const uint8_t *bytes, uint64_t length, int path) {
    if (path > bw_crc32_path()) path = bw_crc32_path();
#if HAS_CLMUL
    if (path == CRC_WIDE && length < ROW) path = CRC_NARROW;
    if (path >= CRC_NARROW && length >= 64) return ~sum_by_lanes(~before, bytes, length, path);
#endif
    return ~sum_plainly(~before, bytes, length);
}
