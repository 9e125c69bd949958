/* Runs of words that are the base's: found, left out, and put back (docs/internals/differences.md, "Groups").

   A map has a bit for each group, lowest first, set where the group changed. The last group may be shorter. */

#include "budwood.h"

INLINE int is_set(const uint8_t *map, uint64_t group) { return map[group >> 3] >> (group & 7) & 1; }

static int is_right(uint64_t length, uint64_t group_bytes, uint64_t map_length) {
    return group_bytes > 0 && map_length == ((length + group_bytes - 1) / group_bytes + 7) / 8;
}

/* Fills the map. Both buffers have `length` bytes. */
PUBLIC int bw_find_changed(const uint8_t *raw, const uint8_t *base, uint64_t length, uint64_t group_bytes,
                           uint8_t *map, uint64_t map_length) {
    if (!is_right(length, group_bytes, map_length)) return WRONG_CALL;
    if (map_length) memset(map, 0, map_length);
    for (uint64_t at = 0, group = 0; at < length; at += group_bytes, group++) {
        uint64_t here = length - at < group_bytes ? length - at : group_bytes;
        map[group >> 3] |= (uint8_t)((memcmp(raw + at, base + at, here) != 0) << (group & 7));
    }
    return FINE;
}

/* The changed groups of `from`, one after the other, which must fill `to`. */
PUBLIC int bw_take_changed(const uint8_t *from, uint64_t length, uint64_t group_bytes, const uint8_t *map,
                           uint64_t map_length, uint8_t *to, uint64_t to_length) {
    uint64_t put = 0;
    if (!is_right(length, group_bytes, map_length)) return WRONG_CALL;
    for (uint64_t at = 0, group = 0; at < length; at += group_bytes, group++) {
        uint64_t here = length - at < group_bytes ? length - at : group_bytes;
        if (!is_set(map, group)) continue;
        if (here > to_length - put) return WRONG_CALL;
        memcpy(to + put, from + at, here);
        put += here;
    }
    return put == to_length ? FINE : WRONG_CALL;
}

/* The inverse: the changed groups from `changed`, the others from the base. */
PUBLIC int bw_put_changed(const uint8_t *changed, uint64_t changed_length, const uint8_t *base, uint64_t length,
                          uint64_t group_bytes, const uint8_t *map, uint64_t map_length, uint8_t *out) {
    uint64_t taken = 0;
    if (!is_right(length, group_bytes, map_length)) return WRONG_CALL;
    for (uint64_t at = 0, group = 0; at < length; at += group_bytes, group++) {
        uint64_t here = length - at < group_bytes ? length - at : group_bytes;
        if (!is_set(map, group)) {
            memcpy(out + at, base + at, here);
            continue;
        }
        if (here > changed_length - taken) return WRONG_CALL;
        memcpy(out + at, changed + taken, here);
        taken += here;
    }
    return taken == changed_length ? FINE : WRONG_CALL;
}
