/* Whether planes as they will be written give a block back, without putting the block anywhere: frames are decoded block
   by block, joined a tile at a time, and compared while all of it is in the cache. */

#include "huffman_read.h"
#include "planes.h"

enum { MOST_PLANES = 4, TILE = 4096 /* words */ };

/* How a plane is written; the numbers are those of encodings/_planes.py. */
enum { AS_IT_IS = 0, FILLED = 1, FRAMED = 2 };

typedef struct {
    Code codes[MOST_PLANES];
    uint8_t blocks[MOST_PLANES][BLOCK];
    uint8_t joined[TILE * MOST_PLANES];
} Room;

typedef struct {
    const uint8_t *at; /* where the plane lies whole, else its block */
    int is_whole, is_framed;
    Frame frame;
} Plane;

static int open_plane(Plane *plane, const uint8_t *written, uint64_t length, uint32_t way, uint64_t count, Code *code,
                      uint8_t *block) {
    *plane = (Plane){way == AS_IT_IS ? written : block, way == AS_IT_IS, way == FRAMED, {0}};
    if (way == FRAMED) return open_frame(&plane->frame, written, length, count, code);
    if (way == FILLED && length == 1) memset(block, written[0], BLOCK);
    return (way == AS_IT_IS && length == count) || (way == FILLED && length == 1) ? FINE : DAMAGED;
}

/* Whether these words of one block, at most BLOCK, are those that their planes make. */
static int is_same(const Plane *planes, uint64_t from, uint64_t count, uint32_t width, int how, const uint8_t *raw,
                   uint8_t *joined, int path) {
    for (uint64_t at = 0; at < count; at += TILE) {
        const uint64_t here = count - at < TILE ? count - at : TILE;
        const uint8_t *of[MOST_PLANES];
        for (uint32_t plane = 0; plane < width; plane++)
            of[plane] = planes[plane].at + at + (planes[plane].is_whole ? from : 0);
        join_planes(of, NULL, here, width, how, joined, path);
        if (memcmp(joined, raw + at * width, here * width)) return 0;
    }
    return 1;
}

PUBLIC uint64_t bw_check_room(void) { return sizeof(Room); }

/* 1 where the planes give `count` words back. 0 also for what only other readers can tell; or WRONG_CALL. */
PUBLIC int bw_planes_match(const uint8_t *const *written, const uint64_t *lengths, const uint32_t *ways, uint32_t width,
                           int how, const uint8_t *raw, uint64_t raw_length, void *room_bytes, uint64_t room_length,
                           int path) {
    if ((width != 1 && width != 2 && width != 4) || (how != AS_THEY_ARE && how != TURNED)) return WRONG_CALL;
    if (raw_length % width || raw_length > 1u << 26) return WRONG_CALL;
    if (room_length < sizeof(Room) || ((uintptr_t)room_bytes & 15)) return WRONG_CALL;
    const uint64_t count = raw_length / width;
    Room *room = room_bytes;
    Plane planes[MOST_PLANES];
    for (uint32_t plane = 0; plane < width; plane++)
        if (open_plane(planes + plane, written[plane], lengths[plane], ways[plane], count, room->codes + plane,
                       room->blocks[plane]))
            return 0;
    for (uint64_t at = 0; at < count; at += BLOCK) {
        const uint64_t here = count - at < BLOCK ? count - at : BLOCK;
        for (uint32_t plane = 0; plane < width; plane++)
            if (planes[plane].is_framed && read_block(&planes[plane].frame, room->blocks[plane], BLOCK) != (int64_t)here)
                return 0;
        if (!is_same(planes, at, here, width, how, raw + at * width, room->joined, path)) return 0;
    }
    for (uint32_t plane = 0; plane < width; plane++)
        if (planes[plane].is_framed && close_frame(&planes[plane].frame)) return 0;
    return 1;
}
