/* Joining planes, for whoever has them by other ways than bw_join. */

#ifndef PLANES_H
#define PLANES_H

#include "budwood.h"

/* How words are turned before they are cut; the numbers are the loader's. */
enum { AS_THEY_ARE = 0, TURNED = 1, MINUS_BASE = 2 };

/* `count` words of `width` bytes, 1, 2 or 4, from as many planes. The base is looked at with MINUS_BASE only. */
void join_planes(const uint8_t *const *planes, const uint8_t *base, size_t count, uint32_t width, int how, uint8_t *out,
                 int path);

#endif
