/* The one place that asks what the CPU and the operating system can do. */
#include "internal.h"

#if HF_X86
#include <cpuid.h>

/* Which register states the operating system saves (XCR0); needs OSXSAVE. */
static uint32_t saved_states(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

uint32_t hf_cpu_features(void)
{
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
    uint32_t features = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) {
        return 0;
    }
    /* The SHA instructions are of no use without SSSE3 and SSE4.1: one bit for both. */
    int sse41 = (c & bit_SSSE3) && (c & bit_SSE4_1);
    /* XCR0 bits 1 and 2: XMM and YMM registers are saved; 5 to 7: those of AVX-512 too. */
    uint32_t saved = c & bit_OSXSAVE ? saved_states() : 0;
    int ymm = (saved & 0x06) == 0x06;
    int zmm = (saved & 0xe6) == 0xe6;
    if (sse41) {
        features |= HF_CPU_SSE41;
    }
    if (ymm && (c & bit_AVX)) {
        features |= HF_CPU_AVX;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        if (sse41 && (b & 1U << 29)) { /* leaf 7, EBX bit 29: SHA */
            features |= HF_CPU_SHA;
        }
        if ((features & HF_CPU_AVX) && (b & 1U << 5)) { /* EBX bit 5: AVX2 */
            features |= HF_CPU_AVX2;
        }
        if (zmm && (b & 1U << 16)) { /* EBX bit 16: AVX-512 F */
            features |= HF_CPU_AVX512;
        }
    }
    return features;
}
#elif HF_ARM64 && defined(__linux__)
#include <sys/auxv.h>

uint32_t hf_cpu_features(void)
{
    return getauxval(AT_HWCAP) & HWCAP_SHA2 ? HF_CPU_ARM_SHA2 : 0;
}
#elif HF_ARM64 && defined(__APPLE__)
#include <sys/sysctl.h>

uint32_t hf_cpu_features(void)
{
    int there = 0;
    size_t size = sizeof there;
    int failed = sysctlbyname("hw.optional.arm.FEAT_SHA256", &there, &size, NULL, 0);
    return !failed && there ? HF_CPU_ARM_SHA2 : 0;
}
#else
uint32_t hf_cpu_features(void)
{
    return 0;
}
#endif
