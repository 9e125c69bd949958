/* Words cut into byte planes and joined again: one pass where NumPy needs several (encodings/_words.py says what they
   are for). Planes lie one after the other, `count` bytes each, or wherever their pointers say. */

#include "planes.h"

#define PLANES(SIZE, WORD)                                                                                             \
    INLINE WORD turned_##SIZE(WORD word, WORD known, int how) {                                                        \
        if (how == TURNED) return (WORD)((WORD)(word << 1) | (WORD)(word >> (SIZE - 1)));                              \
        if (how != MINUS_BASE) return word;                                                                            \
        WORD step = (WORD)(word - known);                                                                              \
        return (WORD)((WORD)(step << 1) ^ (WORD)(0 - (WORD)(step >> (SIZE - 1))));                                     \
    }                                                                                                                  \
    INLINE WORD back_##SIZE(WORD word, WORD known, int how) {                                                          \
        if (how == TURNED) return (WORD)((WORD)(word >> 1) | (WORD)(word << (SIZE - 1)));                              \
        if (how != MINUS_BASE) return word;                                                                            \
        return (WORD)(known + (WORD)((WORD)(word >> 1) ^ (WORD)(0 - (WORD)(word & 1))));                               \
    }                                                                                                                  \
    INLINE void cut_##SIZE(const uint8_t *raw, const uint8_t *base, size_t count, int how, uint8_t *const *planes) {   \
        uint8_t *restrict first = planes[0], *restrict second = planes[SIZE > 8 ? 1 : 0];                              \
        uint8_t *restrict third = planes[SIZE > 16 ? 2 : 0], *restrict fourth = planes[SIZE > 16 ? 3 : 0];             \
        for (size_t at = 0; at < count; at++) {                                                                        \
            WORD word, known = 0;                                                                                      \
            memcpy(&word, raw + at * sizeof word, sizeof word);                                                        \
            if (how == MINUS_BASE) memcpy(&known, base + at * sizeof known, sizeof known);                             \
            word = turned_##SIZE(word, known, how);                                                                    \
            first[at] = (uint8_t)word;                                                                                 \
            if (SIZE > 8) second[at] = (uint8_t)((uint32_t)word >> 8);                                                 \
            if (SIZE > 16) third[at] = (uint8_t)((uint32_t)word >> 16), fourth[at] = (uint8_t)((uint32_t)word >> 24);  \
        }                                                                                                              \
    }                                                                                                                  \
    INLINE void join_##SIZE(const uint8_t *const *planes, const uint8_t *base, size_t count, int how, uint8_t *out) {  \
        const uint8_t *first = planes[0], *second = planes[SIZE > 8 ? 1 : 0];                                          \
        const uint8_t *third = planes[SIZE > 16 ? 2 : 0], *fourth = planes[SIZE > 16 ? 3 : 0];                         \
        for (size_t at = 0; at < count; at++) {                                                                        \
            uint32_t whole = first[at];                                                                                \
            if (SIZE > 8) whole |= (uint32_t)second[at] << 8;                                                          \
            if (SIZE > 16) whole |= (uint32_t)third[at] << 16 | (uint32_t)fourth[at] << 24;                            \
            WORD known = 0;                                                                                            \
            if (how == MINUS_BASE) memcpy(&known, base + at * sizeof known, sizeof known);                             \
            WORD word = back_##SIZE((WORD)whole, known, how);                                                          \
            memcpy(out + at * sizeof word, &word, sizeof word);                                                        \
        }                                                                                                              \
    }                                                                                                                  \
    INLINE void cut_how_##SIZE(const uint8_t *raw, const uint8_t *base, size_t count, int how, uint8_t *const *to) {   \
        if (how == TURNED) cut_##SIZE(raw, base, count, TURNED, to);                                                   \
        else if (how == MINUS_BASE) cut_##SIZE(raw, base, count, MINUS_BASE, to);                                      \
        else cut_##SIZE(raw, base, count, AS_THEY_ARE, to);                                                            \
    }                                                                                                                  \
    INLINE void join_how_##SIZE(const uint8_t *const *of, const uint8_t *base, size_t count, int how, uint8_t *out) {  \
        if (how == TURNED) join_##SIZE(of, base, count, TURNED, out);                                                  \
        else if (how == MINUS_BASE) join_##SIZE(of, base, count, MINUS_BASE, out);                                     \
        else join_##SIZE(of, base, count, AS_THEY_ARE, out);                                                           \
    }

PLANES(8, uint8_t)
PLANES(16, uint16_t)
PLANES(32, uint32_t)

INLINE void cut(const uint8_t *raw, const uint8_t *base, size_t count, uint32_t width, int how, uint8_t *const *to) {
    if (width == 1) cut_how_8(raw, base, count, how, to);
    else if (width == 2) cut_how_16(raw, base, count, how, to);
    else cut_how_32(raw, base, count, how, to);
}

INLINE void join(const uint8_t *const *of, const uint8_t *base, size_t count, uint32_t width, int how, uint8_t *out) {
    if (width == 1) join_how_8(of, base, count, how, out);
    else if (width == 2) join_how_16(of, base, count, how, out);
    else join_how_32(of, base, count, how, out);
}

#if HAS_AVX2
AVX2 static void cut_by_vectors(const uint8_t *raw, const uint8_t *base, size_t count, uint32_t width, int how,
                                uint8_t *const *to) {
    cut(raw, base, count, width, how, to);
}
AVX2 static void join_by_vectors(const uint8_t *const *of, const uint8_t *base, size_t count, uint32_t width, int how,
                                 uint8_t *out) {
    join(of, base, count, width, how, out);
}
#endif

static void cut_plainly(const uint8_t *raw, const uint8_t *base, size_t count, uint32_t width, int how,
                        uint8_t *const *to) {
    cut(raw, base, count, width, how, to);
}

static void join_plainly(const uint8_t *const *of, const uint8_t *base, size_t count, uint32_t width, int how,
                         uint8_t *out) {
    join(of, base, count, width, how, out);
}

void join_planes(const uint8_t *const *planes, const uint8_t *base, size_t count, uint32_t width, int how, uint8_t *out,
                 int path) {
#if HAS_AVX2
    (path == VECTOR && has_vectors() ? join_by_vectors : join_plainly)(planes, base, count, width, how, out);
#else
    (void)path;
    join_plainly(planes, base, count, width, how, out);
#endif
}

/* -- the door: `planes` has as many pointers as a word has bytes, each to `count` bytes -- */

static int is_right(uint64_t count, uint32_t width, int how, uint64_t base_length) {
    if ((width != 1 && width != 2 && width != 4) || how < AS_THEY_ARE || how > MINUS_BASE) return 0;
    return count <= 1u << 24 && (how != MINUS_BASE || base_length >= count * width);
}

/* Cuts `count` words. With MINUS_BASE the base has as many words at least. */
PUBLIC int bw_cut(const uint8_t *raw, uint64_t count, const uint8_t *base, uint64_t base_length, uint32_t width, int how,
                  uint8_t *const *planes, int path) {
    if (!is_right(count, width, how, base_length)) return WRONG_CALL;
#if HAS_AVX2
    (path == VECTOR && has_vectors() ? cut_by_vectors : cut_plainly)(raw, base, count, width, how, planes);
#else
    (void)path;
    cut_plainly(raw, base, count, width, how, planes);
#endif
    return FINE;
}

/* The inverse. */
PUBLIC int bw_join(const uint8_t *const *planes, uint64_t count, const uint8_t *base, uint64_t base_length,
                   uint32_t width, int how, uint8_t *out, int path) {
    if (!is_right(count, width, how, base_length)) return WRONG_CALL;
    join_planes(planes, base, count, width, how, out, path);
    return FINE;
}

/* 1 where they are equal. */
PUBLIC int bw_equal(const uint8_t *one, const uint8_t *other, uint64_t length) {
    return length == 0 || memcmp(one, other, length) == 0;
}
