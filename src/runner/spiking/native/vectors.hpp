// As many numbers at a time as a register of the processor holds, in the vector types that GCC and Clang share. Written out
// because compilers turn the neuron's conditions into vector code or not, depending on details of the loop. Every width gives
// the same bits: lanes never meet, sums are taken in the same order, and each multiply_add rounds once.

#pragma once

#include <cstdint>
#include <cstring>
#include <new>
#if defined(__AVX512F__) || defined(__FMA__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#else
#error "no vector unit is known here that multiplies and adds with one rounding"
#endif

#if defined(__AVX512F__)
constexpr std::int64_t kLanes = 16, kRegisters = 32;
#elif defined(__AVX2__)
constexpr std::int64_t kLanes = 8, kRegisters = 16;
#elif defined(__aarch64__)
constexpr std::int64_t kLanes = 4, kRegisters = 32;
#else
constexpr std::int64_t kLanes = 4, kRegisters = 16;
#endif

using Floats = float __attribute__((vector_size(4 * kLanes)));
using Ints = std::int32_t __attribute__((vector_size(4 * kLanes)));
using Bits = std::uint32_t __attribute__((vector_size(4 * kLanes)));
using Halves = std::uint16_t __attribute__((vector_size(2 * kLanes)));

enum BFloat16 : std::uint16_t {};

// Memory of its own that begins at a whole cache line, and so at a whole vector.
class Buffer {
  public:
    explicit Buffer(std::int64_t count)
        : values_(static_cast<float*>(::operator new(count * sizeof(float), std::align_val_t(64)))) {}
    ~Buffer() { ::operator delete(values_, std::align_val_t(64)); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    float* get() const { return values_; }

  private:
    float* values_;
};

inline std::int64_t whole(std::int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }  // vectors, in numbers

inline Floats splat(float value) { return Floats{} + value; }

inline Floats read(const float* from) {
    Floats values;
    std::memcpy(&values, from, sizeof values);
    return values;
}

inline Floats read(const BFloat16* from) {
    Halves halves;
    std::memcpy(&halves, from, sizeof halves);
    return reinterpret_cast<Floats>(__builtin_convertvector(halves, Bits) << 16);
}

inline void write(float* to, Floats values) { std::memcpy(to, &values, sizeof values); }

inline void write(BFloat16* to, Floats values) {  // round to nearest even
    const Bits bits = reinterpret_cast<Bits>(values);
    const Bits rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const Bits kept = values == values ? rounded : (Bits{} + 0x7fc0u);
    const Halves halves = __builtin_convertvector(kept, Halves);
    std::memcpy(to, &halves, sizeof halves);
}

// The first `count` numbers only, where fewer than a vector are left.
template <class Value>
inline Floats read(const Value* from, std::int64_t count) {
    if (count >= kLanes) return read(from);
    Value values[kLanes] = {};
    std::memcpy(values, from, count * sizeof(Value));
    return read(values);
}

#ifdef __AVX512F__
inline Floats read(const float* from, std::int64_t count) {
    if (count >= kLanes) return read(from);
    return reinterpret_cast<Floats>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from));
}
#elif defined(__AVX2__)
inline Floats read(const float* from, std::int64_t count) {
    if (count >= kLanes) return read(from);
    const Ints lanes = {0, 1, 2, 3, 4, 5, 6, 7}, wanted = lanes < static_cast<std::int32_t>(count);
    return reinterpret_cast<Floats>(_mm256_maskload_ps(from, reinterpret_cast<__m256i>(wanted)));
}
#endif

template <class Value>
inline void write(Value* to, Floats values, std::int64_t count) {
    if (count >= kLanes) return write(to, values);
    Value all[kLanes];
    write(all, values);
    std::memcpy(to, all, count * sizeof(Value));
}

inline Floats smaller(Floats a, Floats b) { return b < a ? b : a; }  // a where one is not a number
inline Floats larger(Floats a, Floats b) { return a < b ? b : a; }

inline Floats multiply_add(Floats a, Floats b, Floats c) {  // a * b + c, rounded once
#if defined(__AVX512F__)
    return reinterpret_cast<Floats>(_mm512_fmadd_ps(
        reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#elif defined(__AVX2__)
    return reinterpret_cast<Floats>(_mm256_fmadd_ps(
        reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#elif defined(__aarch64__)
    return reinterpret_cast<Floats>(vfmaq_f32(
        reinterpret_cast<float32x4_t>(c), reinterpret_cast<float32x4_t>(a), reinterpret_cast<float32x4_t>(b)));
#else
    return reinterpret_cast<Floats>(_mm_fmadd_ps(
        reinterpret_cast<__m128>(a), reinterpret_cast<__m128>(b), reinterpret_cast<__m128>(c)));
#endif
}

inline std::uint32_t not_zero(Floats values) {  // a bit for each number
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(values), _mm512_setzero_ps(), _CMP_NEQ_UQ);
#elif defined(__AVX2__)
    return _mm256_movemask_ps(_mm256_cmp_ps(reinterpret_cast<__m256>(values), _mm256_setzero_ps(), _CMP_NEQ_UQ));
#elif defined(__aarch64__)
    const Bits bit = {1, 2, 4, 8};
    return vaddvq_u32(reinterpret_cast<uint32x4_t>(reinterpret_cast<Bits>(values != Floats{}) & bit));
#else
    return _mm_movemask_ps(_mm_cmpneq_ps(reinterpret_cast<__m128>(values), _mm_setzero_ps()));
#endif
}

// Write the numbers that `wanted` has a bit for one after the other, and `first` plus their lanes beside them; how many.
inline std::int32_t compress(std::uint32_t wanted, Floats values, std::int32_t first, float* value, std::int32_t* index) {
    const std::int32_t count = __builtin_popcount(wanted);
#ifdef __AVX512F__
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i places = _mm512_add_epi32(lanes, _mm512_set1_epi32(first));
    const auto from = static_cast<__mmask16>(wanted), to = static_cast<__mmask16>((1u << count) - 1);
    _mm512_mask_storeu_ps(value, to, _mm512_maskz_compress_ps(from, reinterpret_cast<__m512>(values)));
    _mm512_mask_storeu_epi32(index, to, _mm512_maskz_compress_epi32(from, places));
#else
    float all[kLanes];
    write(all, values);
    for (; wanted != 0; wanted &= wanted - 1) {
        const std::int32_t lane = __builtin_ctz(wanted);
        *value++ = all[lane];
        *index++ = first + lane;
    }
#endif
    return count;
}

inline Floats exponential(Floats x) {  // |x| <= 8; Taylor series on |r| <= ln(2) / 2, relative error below 1e-7
    const Floats n = multiply_add(x, splat(1.44269504f), splat(12582912.0f)) - 12582912.0f;  // to the nearest integer
    const Floats r = multiply_add(n, splat(2.12194440e-4f), multiply_add(n, splat(-0.693359375f), x));
    Floats p = multiply_add(r, splat(1.0f / 5040.0f), splat(1.0f / 720.0f));
    p = multiply_add(p, r, splat(1.0f / 120.0f));
    p = multiply_add(p, r, splat(1.0f / 24.0f));
    p = multiply_add(p, r, splat(1.0f / 6.0f));
    p = multiply_add(p, r, splat(0.5f));
    p = multiply_add(p, r, splat(1.0f));
    p = multiply_add(p, r, splat(1.0f));
    return p * reinterpret_cast<Floats>((__builtin_convertvector(n, Ints) + 127) << 23);
}
