// Sixteen numbers at a time, in the vector types that GCC and Clang share; machines with narrower units take several turns.
// Written out because compilers turn the neuron's conditions into vector code or not, depending on details of the loop.

#pragma once

#include <cstdint>
#include <cstring>
#include <new>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

constexpr std::int64_t kLanes = 16;

using Floats = float __attribute__((vector_size(64)));
using Ints = std::int32_t __attribute__((vector_size(64)));
using Bits = std::uint32_t __attribute__((vector_size(64)));
using Halves = std::uint16_t __attribute__((vector_size(32)));

enum BFloat16 : std::uint16_t {};

// Memory of its own that begins at a whole vector, which is a whole cache line where there are registers for it.
class Buffer {
  public:
    explicit Buffer(std::int64_t count)
        : values_(static_cast<float*>(::operator new(count * sizeof(float), std::align_val_t(4 * kLanes)))) {}
    ~Buffer() { ::operator delete(values_, std::align_val_t(4 * kLanes)); }
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

inline Floats multiply_add(Floats a, Floats b, Floats c) {  // rounds once where the machine can
#ifdef __AVX512F__
    return reinterpret_cast<Floats>(_mm512_fmadd_ps(
        reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#else
    return a * b + c;
#endif
}

inline std::uint32_t not_zero(Floats values) {  // a bit for each number
#ifdef __AVX512F__
    return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(values), _mm512_setzero_ps(), _CMP_NEQ_UQ);
#else
    std::uint32_t bits = 0;
    for (std::int64_t lane = 0; lane < kLanes; ++lane) bits |= static_cast<std::uint32_t>(values[lane] != 0.0f) << lane;
    return bits;
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
    for (; wanted != 0; wanted &= wanted - 1) {
        const std::int32_t lane = __builtin_ctz(wanted);
        *value++ = values[lane];
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
