/* What the loader asks first: whether this build is the one it knows, and what the machine can do. */

#include "budwood.h"

#ifndef SOURCE
#define SOURCE ""
#endif

int has_vectors(void) {
#if HAS_AVX2
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("popcnt");
#else
    return 0;
#endif
}

PUBLIC int bw_interface(void) { return INTERFACE; }

PUBLIC int bw_has_vectors(void) { return has_vectors(); }

/* The digest of the sources it was built from: a test asks for it, so that nobody tests an older build. */
PUBLIC const char *bw_source(void) { return SOURCE; }
