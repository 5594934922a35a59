// The spiking neuron of TSSL-BP on the CPU: one pass forward, one backward, both fused with sum pooling and dropout.
//
// Memory is time-major: step t of neuron i of the current lies at t * neurons + i, and a pooled layer keeps its channels
// innermost (NHWC). A block is a set of neurons whose states stay in the nearest cache while all steps pass over it: one
// run of neurons without pooling, `pool` image rows of the same run of columns with it. The inner loops run over the
// neurons of a row, so that they vectorise; contraction is off (see the flags), so that spikes are those of the reference.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

// sg(u) = z / (width (1 + z)^2), z = exp((threshold - u) / width): the derivative of a logistic of this width.
constexpr float kWidth = 0.2f;
constexpr float kExponentLimit = 8.0f;
constexpr std::int64_t kForwardBlock = 2048;      // neurons: two states in the first-level cache
constexpr std::int64_t kHistory = 128 * 1024;     // floats of recomputed history: half of a second-level cache
constexpr std::int64_t kSmall = 32 * 1024;        // updates below which waking the other threads costs more

enum Rule : std::int32_t { kHead = 0, kSurrogate = 1, kPaperFiring = 2, kPaperSilent = 3 };

struct BFloat16 {
    std::uint16_t bits;
};

inline float load(float value) { return value; }
inline float load(BFloat16 value) {
    const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16;
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}
inline void store(float& target, float value) { target = value; }
inline void store(BFloat16& target, float value) {  // round to nearest even
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    target.bits = static_cast<std::uint16_t>(value != value ? 0x7fc0u : rounded);
}

inline float multiply_add(float a, float b, float c) {  // only where no spike hangs on the rounding
#ifdef __FMA__
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

inline float exponential(float x) {  // |x| <= 8; Taylor series on |r| <= ln(2) / 2, relative error below 1e-7
    const float n = multiply_add(x, 1.44269504f, 12582912.0f) - 12582912.0f;
    const float r = multiply_add(n, 2.12194440e-4f, multiply_add(n, -0.693359375f, x));
    float p = multiply_add(r, 1.0f / 5040.0f, 1.0f / 720.0f);
    p = multiply_add(p, r, 1.0f / 120.0f);
    p = multiply_add(p, r, 1.0f / 24.0f);
    p = multiply_add(p, r, 1.0f / 6.0f);
    p = multiply_add(p, r, 0.5f);
    p = multiply_add(p, r, 1.0f);
    p = multiply_add(p, r, 1.0f);
    const std::int32_t bits = (static_cast<std::int32_t>(n) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return p * power;
}

// sg(u) = z / denominator(z), z = slope(u): apart, so that a spike's 1 / du can share the division.
inline float slope(float u, float threshold) {
    const float x = (threshold - u) * (1.0f / kWidth);
    return exponential(std::min(std::max(x, -kExponentLimit), kExponentLimit));
}
inline float denominator(float z) { return (1.0f + z) * (1.0f + z) * kWidth; }

}  // namespace

extern "C" {

struct Layer {
    std::int64_t steps;
    std::int64_t neurons;         // per step
    std::int64_t width, channels; // of the current's image; read only when pool > 1
    std::int64_t pool;            // 1: none
    const float* drive;           // (steps): factor on the current; all ones unless the current is constant
    float leak, rate, threshold;  // 1 / tau_m, 1 / tau_s
    float keep;                   // 1 - 1 / tau_m
    float pool_weight;
    std::int32_t constant;        // the current has one step, the same at all times
    std::int32_t rule;
    std::int32_t reset;           // whether the dependency through a neuron's own reset is kept
    std::int32_t threads;
};

}

namespace {

struct Block {
    std::int64_t input, output;  // offset of its first neuron in a step of the current and of the output
    std::int64_t segments, gap;  // image rows and the distance between them
    std::int64_t length;         // neurons in a row
    std::int64_t outputs;
};

// How the neurons of a layer fall into blocks of about `target` neurons.
class Blocks {
  public:
    Blocks(const Layer& layer, std::int64_t target) : layer_(layer) {
        if (layer.pool == 1) {
            span_ = std::max<std::int64_t>(16, std::min(target, layer.neurons / layer.threads / 16 * 16));
            per_row_ = (layer.neurons + span_ - 1) / span_;
            rows_ = 1;
        } else {
            const std::int64_t columns = layer.width / layer.pool, each = layer.pool * layer.pool * layer.channels;
            span_ = std::max<std::int64_t>(1, std::min(columns, target / each));
            per_row_ = (columns + span_ - 1) / span_;
            rows_ = layer.neurons / (layer.width * layer.channels * layer.pool);
        }
    }
    std::int64_t count() const { return rows_ * per_row_; }
    std::int64_t largest() const {
        return layer_.pool == 1 ? span_ : span_ * layer_.pool * layer_.pool * layer_.channels;
    }
    Block operator[](std::int64_t index) const {
        const std::int64_t first = index % per_row_ * span_;
        if (layer_.pool == 1) {
            const std::int64_t length = std::min(span_, layer_.neurons - first);
            return {first, first, 1, 0, length, length};
        }
        const std::int64_t row = index / per_row_, line = layer_.width * layer_.channels;
        const std::int64_t columns = std::min(span_, layer_.width / layer_.pool - first);
        return {row * layer_.pool * line + first * layer_.pool * layer_.channels,
                (row * (layer_.width / layer_.pool) + first) * layer_.channels, layer_.pool, line,
                columns * layer_.pool * layer_.channels, columns * layer_.channels};
    }

  private:
    const Layer& layer_;
    std::int64_t span_, per_row_, rows_;
};

// Ask for a row of the step after: steps lie megabytes apart, so that the hardware does not foresee them.
template <int kWrite = 0, class Value>
inline void prefetch(const Value* row, std::int64_t length) {
    for (std::int64_t j = 0; j < length; j += 64 / static_cast<std::int64_t>(sizeof(Value)))
        __builtin_prefetch(row + j, kWrite);
}

// Add up the windows of the block's rows: over the rows first, then over the columns; `sum` is overwritten in place.
inline void pool_rows(const Layer& layer, const Block& block, const float* values, float* sum) {
    std::copy(values, values + block.length, sum);
    for (std::int64_t k = 1; k < layer.pool; ++k) {
        const float* const row = values + k * block.length;
#pragma omp simd
        for (std::int64_t j = 0; j < block.length; ++j) sum[j] += row[j];
    }
    for (std::int64_t to = 0; to < block.outputs; to += layer.channels) {
        const float* from = sum + to * layer.pool;
        for (std::int64_t c = 0; c < layer.channels; ++c) sum[to + c] = from[c];
        for (std::int64_t k = 1; k < layer.pool; ++k) {
            from += layer.channels;
            for (std::int64_t c = 0; c < layer.channels; ++c) sum[to + c] += from[c];
        }
    }
}

template <class Value>
std::int64_t forward_block(const Layer& layer, const Block& block, const Value* current, const float* scale, Value* psc,
                           float* scratch) {
    const std::int64_t size = block.segments * block.length, out_step = layer.neurons / (layer.pool * layer.pool);
    float *const mem = scratch, *const syn = scratch + size, *const sum = syn + size;
    std::fill(mem, syn + size, 0.0f);
    std::int64_t spikes = 0;
    for (std::int64_t t = 0; t < layer.steps; ++t) {
        const Value* const step = current + (layer.constant ? 0 : t * layer.neurons) + block.input;
        Value* const out = psc + t * out_step + block.output;
        if (!layer.constant && t + 1 < layer.steps)
            for (std::int64_t k = 0; k < block.segments; ++k) prefetch(step + layer.neurons + k * block.gap, block.length);
        const float drive = layer.drive[t], leak = -layer.leak, rate = layer.rate, threshold = layer.threshold;
        std::int32_t fired = 0;
        for (std::int64_t k = 0; k < block.segments; ++k) {
            const Value* const row = step + k * block.gap;
            float *const m = mem + k * block.length, *const a = syn + k * block.length;
#pragma omp simd reduction(+ : fired)
            for (std::int64_t j = 0; j < block.length; ++j) {
                const float u = m[j] + (m[j] * leak + load(row[j]) * drive);
                const bool spike = u > threshold;
                fired += spike;
                m[j] = spike ? 0.0f : u;
                a[j] = a[j] + ((spike ? 1.0f : 0.0f) - a[j]) * rate;
            }
        }
        spikes += fired;
        if (layer.pool == 1) {
            if (scale == nullptr) {
#pragma omp simd
                for (std::int64_t j = 0; j < block.length; ++j) store(out[j], syn[j]);
            } else {
#pragma omp simd
                for (std::int64_t j = 0; j < block.length; ++j) store(out[j], syn[j] * scale[block.output + j]);
            }
            continue;
        }
        pool_rows(layer, block, syn, sum);
        if (scale == nullptr) {
#pragma omp simd
            for (std::int64_t j = 0; j < block.outputs; ++j) store(out[j], sum[j] * layer.pool_weight);
        } else {
#pragma omp simd
            for (std::int64_t j = 0; j < block.outputs; ++j)
                store(out[j], sum[j] * layer.pool_weight * scale[block.output + j]);
        }
    }
    return spikes;
}

// Recompute the block's states and keep per step what the way back needs:
// head   `factor` = min(1 / du, 8) > 0 at a spike, -sg(u) < 0 where the fallback decides, else 0;
// paper  `factor` = what multiplies the filtered gradient;
// both   `carry` = u / tau_m at a spike (positive), else 0: the weight of a later spike through the reset.
template <class Value>
void history_block(const Layer& layer, const Block& block, const Value* current, float* factor, float* carry,
                   float* scratch) {
    const std::int64_t size = block.segments * block.length;
    float *const mem = scratch, *const syn = scratch + size;
    std::fill(mem, syn + size, 0.0f);
    const float leak = -layer.leak, rate = layer.rate, threshold = layer.threshold, quiet = 0.25f * layer.rate;
    for (std::int64_t t = 0; t < layer.steps; ++t) {
        const Value* const step = current + (layer.constant ? 0 : t * layer.neurons) + block.input;
        const float drive = layer.drive[t];
        if (!layer.constant && t + 1 < layer.steps)
            for (std::int64_t k = 0; k < block.segments; ++k) prefetch(step + layer.neurons + k * block.gap, block.length);
        for (std::int64_t k = 0; k < block.segments; ++k) {
            const Value* const row = step + k * block.gap;
            float *const m = mem + k * block.length, *const a = syn + k * block.length;
            float *const f = factor + t * size + k * block.length, *const c = carry + t * size + k * block.length;
            const bool head = layer.rule == kHead, firing = layer.rule == kPaperFiring;
            if (head || firing) {
                const float largest = head ? 8.0f : 10.0f, fallback = head ? -1.0f : 0.0f;
#pragma omp simd
                for (std::int64_t j = 0; j < block.length; ++j) {
                    const float du = m[j] * leak + load(row[j]) * drive, u = m[j] + du;
                    const bool spike = u > threshold;
                    m[j] = spike ? 0.0f : u;
                    a[j] = a[j] + ((spike ? 1.0f : 0.0f) - a[j]) * rate;
                    const float z = slope(u, threshold);
                    const float ratio = (spike ? 1.0f : z * fallback) / (spike ? du : denominator(z));
                    f[j] = spike ? std::min(ratio, largest) : a[j] < quiet ? ratio : 0.0f;
                    c[j] = spike ? u * layer.leak : 0.0f;
                }
            } else {
#pragma omp simd
                for (std::int64_t j = 0; j < block.length; ++j) {
                    const float u = m[j] + (m[j] * leak + load(row[j]) * drive);
                    const bool spike = u > threshold;
                    m[j] = spike ? 0.0f : u;
                    const float z = slope(u, threshold);
                    f[j] = z / denominator(z);
                    c[j] = spike ? u * layer.leak : 0.0f;
                }
            }
        }
    }
}

// Give every neuron of a row the value of its window.
inline void unpool(const Layer& layer, const Block& block, const float* values, float* row) {
    for (std::int64_t from = 0; from < block.outputs; from += layer.channels)
        for (std::int64_t k = 0; k < layer.pool; ++k, row += layer.channels)
            std::copy(values + from, values + from + layer.channels, row);
}

// One step back under head: theta' = h = factor (E + theta u / tau_m) at a spike, else (1 - 1 / tau_m) theta.
inline void head_step(const Layer& layer, std::int64_t length, const float* f, const float* c, const float* filtered,
                      float* theta, float* g) {
    const float keep = layer.keep, reset = layer.reset ? 1.0f : 0.0f;
#pragma omp simd
    for (std::int64_t j = 0; j < length; ++j) {
        const float h = f[j] > 0.0f ? f[j] * (filtered[j] + theta[j] * (c[j] * reset)) : keep * theta[j];
        theta[j] = h;
        g[j] = f[j] >= 0.0f ? h : -f[j] * filtered[j];  // a current that is not a number ends here
    }
}

// One step back under paper: `next` is the error at the neuron's next spike, decayed to this step.
inline void paper_step(const Layer& layer, std::int64_t length, const float* f, const float* c, const float* error,
                       float* next, float* filtered, float* g) {
    const float keep = layer.keep, rate = layer.rate, reset = layer.reset ? 1.0f : 0.0f;
#pragma omp simd
    for (std::int64_t j = 0; j < length; ++j) {
        const float r = error[j] + c[j] * reset * next[j];
        next[j] = c[j] > 0.0f ? error[j] : keep * next[j];
        filtered[j] += (r - filtered[j]) * rate;
        g[j] = f[j] * filtered[j];
    }
}

struct Scratch {
    std::vector<float> values;
    std::int64_t size;  // neurons of the largest block
    float* operator[](std::int64_t part) { return values.data() + part * size; }
};

template <class Value>
void backward_block(const Layer& layer, const Block& block, const Value* current, const float* scale,
                    const Value* grad_psc, Value* grad_current, Scratch& scratch) {
    const std::int64_t size = block.segments * block.length, out_step = layer.neurons / (layer.pool * layer.pool);
    const bool head = layer.rule == kHead || layer.rule == kSurrogate;
    float *const theta = scratch[0], *const filtered = scratch[1], *const wide = scratch[2], *const g = scratch[3],
          *const total = scratch[4], *const error = scratch[5], *const factor = scratch[6],
          *const carry = scratch[6 + layer.steps];
    history_block(layer, block, current, factor, carry, scratch[0]);
    for (std::int64_t part = 0; part < 5; ++part) std::fill(scratch[part], scratch[part] + size, 0.0f);
    const float weight = layer.pool == 1 ? 1.0f : layer.pool_weight;
    for (std::int64_t t = layer.steps - 1; t >= 0; --t) {
        const Value* const grad = grad_psc + t * out_step + block.output;
        if (t > 0) {
            prefetch(grad - out_step, block.outputs);
            for (std::int64_t k = 0; !layer.constant && k < block.segments; ++k)
                prefetch<1>(grad_current + (t - 1) * layer.neurons + block.input + k * block.gap, block.length);
        }
        if (scale == nullptr) {
#pragma omp simd
            for (std::int64_t j = 0; j < block.outputs; ++j) error[j] = load(grad[j]) * weight;
        } else {
#pragma omp simd
            for (std::int64_t j = 0; j < block.outputs; ++j) error[j] = load(grad[j]) * scale[block.output + j] * weight;
        }
        if (head) {
#pragma omp simd
            for (std::int64_t j = 0; j < block.outputs; ++j)
                filtered[j] += (error[j] - filtered[j]) * layer.rate;
        }
        const float* row = head ? filtered : error;
        if (layer.pool > 1) {
            unpool(layer, block, row, wide);
            row = wide;
        }
        for (std::int64_t k = 0; k < block.segments; ++k) {
            const std::int64_t at = k * block.length;
            const float *const f = factor + t * size + at, *const c = carry + t * size + at;
            if (head) head_step(layer, block.length, f, c, row, theta + at, g);
            else paper_step(layer, block.length, f, c, row, theta + at, filtered + at, g);
            if (layer.constant) {
                const float drive = layer.drive[t];
                float* const sum = total + at;
#pragma omp simd
                for (std::int64_t j = 0; j < block.length; ++j) sum[j] += drive * g[j];
                continue;
            }
            Value* const out = grad_current + t * layer.neurons + block.input + k * block.gap;
#pragma omp simd
            for (std::int64_t j = 0; j < block.length; ++j) store(out[j], g[j]);
        }
    }
    for (std::int64_t k = 0; layer.constant && k < block.segments; ++k)
        for (std::int64_t j = 0; j < block.length; ++j)
            store(grad_current[block.input + k * block.gap + j], total[k * block.length + j]);
}

template <class Value>
std::int64_t forward(const Layer& layer, const Value* current, const float* scale, Value* psc) {
    const Blocks blocks(layer, kForwardBlock);
    const std::int64_t count = blocks.count();
    std::int64_t spikes = 0;
#pragma omp parallel num_threads(layer.threads) if (layer.steps * layer.neurons > kSmall) reduction(+ : spikes)
    {
        std::vector<float> scratch(3 * blocks.largest());
#pragma omp for schedule(dynamic)
        for (std::int64_t index = 0; index < count; ++index)
            spikes += forward_block(layer, blocks[index], current, scale, psc, scratch.data());
    }
    return spikes;
}

template <class Value>
void backward(const Layer& layer, const Value* current, const float* scale, const Value* grad_psc, Value* grad_current) {
    const Blocks blocks(layer, std::clamp<std::int64_t>(kHistory / (2 * layer.steps), 64, kForwardBlock));
    const std::int64_t count = blocks.count();
#pragma omp parallel num_threads(layer.threads) if (layer.steps * layer.neurons > kSmall)
    {
        Scratch scratch{std::vector<float>((6 + 2 * layer.steps) * blocks.largest()), blocks.largest()};
#pragma omp for schedule(dynamic)
        for (std::int64_t index = 0; index < count; ++index)
            backward_block(layer, blocks[index], current, scale, grad_psc, grad_current, scratch);
    }
}

template <class Value>
void filter(std::int64_t steps, std::int64_t neurons, float rate, bool reverse, std::int32_t threads, const Value* values,
            float* filtered) {
    const std::int64_t span = 16384, count = (neurons + span - 1) / span;
#pragma omp parallel for num_threads(threads) if (steps * neurons > kSmall)
    for (std::int64_t block = 0; block < count; ++block) {
        const std::int64_t first = block * span, last = std::min(first + span, neurons);
        for (std::int64_t k = 0; k < steps; ++k) {
            const std::int64_t at = (reverse ? steps - 1 - k : k) * neurons, before = at + (reverse ? neurons : -neurons);
            if (k == 0) {
                for (std::int64_t j = first; j < last; ++j) filtered[at + j] = load(values[at + j]) * rate;
                continue;
            }
#pragma omp simd
            for (std::int64_t j = first; j < last; ++j)
                filtered[at + j] = filtered[before + j] + (load(values[at + j]) - filtered[before + j]) * rate;
        }
    }
}

}  // namespace

extern "C" {

std::int64_t tsslbp_forward_float32(const Layer* layer, const float* current, const float* scale, float* psc) {
    return forward(*layer, current, scale, psc);
}
std::int64_t tsslbp_forward_bfloat16(const Layer* layer, const BFloat16* current, const float* scale, BFloat16* psc) {
    return forward(*layer, current, scale, psc);
}
void tsslbp_backward_float32(const Layer* layer, const float* current, const float* scale, const float* grad_psc,
                             float* grad_current) {
    backward(*layer, current, scale, grad_psc, grad_current);
}
void tsslbp_backward_bfloat16(const Layer* layer, const BFloat16* current, const float* scale, const BFloat16* grad_psc,
                              BFloat16* grad_current) {
    backward(*layer, current, scale, grad_psc, grad_current);
}
void psc_filter_float32(std::int64_t steps, std::int64_t neurons, float rate, bool reverse, std::int32_t threads,
                        const float* values, float* filtered) {
    filter(steps, neurons, rate, reverse, threads, values, filtered);
}
}
