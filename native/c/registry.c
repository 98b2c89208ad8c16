/*
 * The tables of kernels and of hashers, most preferred first. To add one: write its file,
 * declare its function in internal.h, add a row here, and name the file in build.py.
 */
#include "internal.h"

static const hf_kernel kernels[] = {
#if HF_X86
    {"avx512_versions", 16, 4, HF_CPU_AVX512, hf_search_avx512_versions},
    {"avx512", 32, 1, HF_CPU_AVX512, hf_search_avx512},
    {"shani_versions", 1, 4, HF_CPU_SHA | HF_CPU_AVX, hf_search_shani_versions},
    {"shani", 3, 1, HF_CPU_SHA | HF_CPU_AVX, hf_search_shani},
    {"shani_sse", 3, 1, HF_CPU_SHA, hf_search_shani_sse},
    {"avx2_versions", 8, 4, HF_CPU_AVX2, hf_search_avx2_versions},
    {"avx2", 8, 1, HF_CPU_AVX2, hf_search_avx2},
    {"sse41_versions", 4, 4, HF_CPU_SSE41, hf_search_sse41_versions},
    {"sse41", 4, 1, HF_CPU_SSE41, hf_search_sse41},
#endif
#if HF_ARM64
    {"armv8", 3, 1, HF_CPU_ARM_SHA2, hf_search_armv8},
    {"neon_versions", 4, 4, 0, hf_search_neon_versions},
    {"neon", 4, 1, 0, hf_search_neon},
#endif
    {"portable", 1, 1, 0, hf_search_portable},
};

static const hf_hasher hashers[] = {
#if HF_X86
    {"shani", HF_CPU_SHA | HF_CPU_AVX, hf_compress_shani, hf_compress_two_shani},
    {"shani_sse", HF_CPU_SHA, hf_compress_shani_sse, hf_compress_two_shani_sse},
#endif
#if HF_ARM64
    {"armv8", HF_CPU_ARM_SHA2, hf_compress_armv8, NULL},
#endif
    {"portable", 0, hf_compress_portable, NULL},
};

static int can_run(uint32_t needs)
{
    return (hf_cpu_features() & needs) == needs;
}

const hf_kernel *hf_kernel_at(uint32_t kernel)
{
    return kernel < hf_kernel_count() ? &kernels[kernel] : NULL;
}

const hf_hasher *hf_hasher_at(uint32_t hasher)
{
    return hasher < hf_hasher_count() ? &hashers[hasher] : NULL;
}

uint32_t hf_kernel_count(void)
{
    return (uint32_t)(sizeof kernels / sizeof kernels[0]);
}

const char *hf_kernel_name(uint32_t kernel)
{
    const hf_kernel *row = hf_kernel_at(kernel);
    return row ? row->name : NULL;
}

uint32_t hf_kernel_lanes(uint32_t kernel)
{
    const hf_kernel *row = hf_kernel_at(kernel);
    return row ? row->lanes : 0;
}

uint32_t hf_kernel_versions(uint32_t kernel)
{
    const hf_kernel *row = hf_kernel_at(kernel);
    return row ? row->versions : 0;
}

int hf_kernel_usable(uint32_t kernel)
{
    const hf_kernel *row = hf_kernel_at(kernel);
    return row && can_run(row->needs);
}

uint32_t hf_hasher_count(void)
{
    return (uint32_t)(sizeof hashers / sizeof hashers[0]);
}

const char *hf_hasher_name(uint32_t hasher)
{
    const hf_hasher *row = hf_hasher_at(hasher);
    return row ? row->name : NULL;
}

int hf_hasher_usable(uint32_t hasher)
{
    const hf_hasher *row = hf_hasher_at(hasher);
    return row && can_run(row->needs);
}
