/* Native speed for the store: plain functions over plain buffers, called through ctypes.

   Nothing here allocates, keeps anything between calls or trusts a length: whoever calls gives every buffer with its
   size, and a buffer that is too small is refused before anything is written. The library knows no Python, so
   one build serves every version of it, and the sanitizers and fuzzers take the same files (tests/store/native). */

#ifndef BUDWOOD_H
#define BUDWOOD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Little-endian machines only; elsewhere NumPy does the work."
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_AVX2 1
#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define HAS_CLMUL 1
#define CLMUL __attribute__((target("pclmul,sse4.1")))
#define CLMUL512 __attribute__((target("vpclmulqdq,avx512f,pclmul")))
#include <immintrin.h>
#else
#define HAS_AVX2 0
#define HAS_CLMUL 0
#endif

#define PUBLIC __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Raised whenever a function changes its arguments or its meaning; the loader takes no other number. */
#define INTERFACE 1

enum path { SCALAR = 0, VECTOR = 1 };

/* Those through a check sum, by their width: bytes, 128 bits, 512 bits. */
enum crc_path { CRC_PLAIN = 0, CRC_NARROW = 1, CRC_WIDE = 2 };

/* What a function returns. The loader turns the first into BlockDamaged; the second is a fault of the caller,
   which it asserts away. */
enum answer { FINE = 0, DAMAGED = -1, WRONG_CALL = -2 };

INLINE uint16_t load16(const uint8_t *at) { uint16_t value; memcpy(&value, at, 2); return value; }
INLINE uint32_t load32(const uint8_t *at) { uint32_t value; memcpy(&value, at, 4); return value; }
INLINE uint64_t load64(const uint8_t *at) { uint64_t value; memcpy(&value, at, 8); return value; }
INLINE void store16(uint8_t *at, uint16_t value) { memcpy(at, &value, 2); }
INLINE void store32(uint8_t *at, uint32_t value) { memcpy(at, &value, 4); }

/* 1 where this machine has what the vector path needs. */
int has_vectors(void);

#endif
