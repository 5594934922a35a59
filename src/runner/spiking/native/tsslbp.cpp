// The spiking neuron of TSSL-BP on the CPU: one pass forward, one backward, both fused with sum pooling and dropout.
//
// Memory is time-major: step t of neuron i of the current lies at t * neurons + i, and a pooled layer keeps its channels
// innermost (NHWC). A block is a set of neurons whose states stay in the nearest caches while all steps pass over it: one
// run of neurons without pooling, `pool` image rows of the same run of columns with it. In a thread's own arrays every row
// starts at a whole vector. Contraction is off (see the flags), so that spikes are those of the reference.

#include <algorithm>

#include "vectors.hpp"

namespace {

// sg(u) = z / (width (1 + z)^2), z = exp((threshold - u) / width): the derivative of a logistic of this width.
constexpr float kWidth = 0.2f;
constexpr float kExponentLimit = 8.0f;
constexpr float kPi = 3.14159265f;
constexpr std::int64_t kNear = 7 * 1024;         // floats of states and history in the first-level cache
constexpr std::int64_t kFar = 128 * 1024;        // and in the second-level one, where rows would get too short for the first
constexpr std::int64_t kShortest = 512;          // neurons
constexpr std::int64_t kSmall = 32 * 1024;       // updates below which waking the other threads costs more

// As in rules.py, `Walk`, whose PUBLISHED is apart here for a layer that fires and one that does not.
// The last four are STBP's, by the slope that stands in for a spike's derivative.
enum Rule : std::int32_t {
    kReleased = 0, kSurrogate = 1, kPublishedFiring = 2, kPublishedSilent = 3,
    kRectangle = 4, kTriangle = 5, kLogistic = 6, kArctan = 7
};
constexpr bool through_time(Rule rule) { return rule >= kRectangle; }
constexpr bool of_spikes(Rule rule) { return rule != kPublishedFiring && rule != kPublishedSilent; }

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
    float slope_width;            // of STBP's slope
    std::int32_t constant;        // the current has one step, the same at all times
    std::int32_t rule;
    std::int32_t reset;           // whether the dependency through a neuron's own reset is kept
    std::int32_t synapse;         // the current has yet to pass the synapse (not where it is constant)
    std::int32_t emit_spikes;     // give spikes on, which pass the synapse behind the next weights (not under published)
    std::int32_t threads;
    // Null where all of time is at hand. Else the states between this stretch of time and its neighbours, each of three arrays
    // as long as a step: the membranes, currents and what the synapse holds of the current before it (forward leaves there
    // those after it); and on the way back what later steps owe to earlier ones (backward leaves there what these owe).
    float *held, *owed;
};

}

namespace {

struct Block {
    std::int64_t input, output;  // offset of its first neuron in a step of the current and of the output
    std::int64_t rows, gap;      // image rows, and the distance between them
    std::int64_t length;         // neurons of a row
    std::int64_t outputs;
    std::int64_t stride() const { return whole(length); }  // between rows in a thread's own arrays
};

// How the neurons of a layer fall into blocks of about `target` neurons.
class Blocks {
  public:
    Blocks(const Layer& layer, std::int64_t target) : layer_(layer) {
        if (layer.pool == 1) {
            span_ = std::min(whole(target), whole(layer.neurons / layer.threads + 1));
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
    std::int64_t largest() const {  // numbers in an array of a block's states
        return layer_.pool == 1 ? span_ : layer_.pool * whole(span_ * layer_.pool * layer_.channels);
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

// A thread's own memory: arrays of as many numbers as the largest block has states, and a vector more for `copy_over`.
class Scratch {
  public:
    Scratch(std::int64_t arrays, std::int64_t states) : each_(states + kLanes), values_(arrays * each_) {}
    float* operator[](std::int64_t array) const { return values_.get() + array * each_; }

  private:
    std::int64_t each_;
    Buffer values_;
};

// Ask for a row of another step: steps lie far apart, so that the hardware does not foresee them.
template <int kWrite = 0, class Value>
inline void prefetch(const Value* row, std::int64_t length) {
    for (std::int64_t j = 0; j < length; j += 64 / static_cast<std::int64_t>(sizeof(Value)))
        __builtin_prefetch(row + j, kWrite);
}

// Copy `length` numbers in whole vectors: up to kLanes - 1 numbers behind them are overwritten too, which callers allow
// for. Runs of channels are short and seldom whole vectors, so exact loops would be mostly ends.
inline void copy_over(const float* from, std::int64_t length, float* to) {
    for (std::int64_t j = 0; j < length; j += kLanes) write(to + j, read(from + j));
}

// Add up the windows of the block's rows: over the rows first, into `line`, then over the columns, into `sum`.
inline void pool_rows(const Layer& layer, const Block& block, const float* values, float* line, float* sum) {
    for (std::int64_t j = 0; j < block.length; j += kLanes) {
        Floats total = read(values + j);
        for (std::int64_t k = 1; k < block.rows; ++k) total += read(values + k * block.stride() + j);
        write(line + j, total);
    }
    for (std::int64_t to = 0; to < block.outputs; to += layer.channels, line += layer.pool * layer.channels)
        for (std::int64_t c = 0; c < layer.channels; c += kLanes) {
            Floats total = read(line + c);
            for (std::int64_t k = 1; k < layer.pool; ++k) total += read(line + k * layer.channels + c);
            write(sum + to + c, total);
        }
}

// Carried states lie as one step of the current does: take a block's into its own array, or put them back.
inline void take(const Block& block, const float* carried, float* own) {
    for (std::int64_t k = 0; k < block.rows; ++k)
        for (std::int64_t j = 0; j < block.length; j += kLanes)
            write(own + k * block.stride() + j, read(carried + block.input + k * block.gap + j, block.length - j));
}
inline void put(const Block& block, const float* own, float* carried) {
    for (std::int64_t k = 0; k < block.rows; ++k)
        for (std::int64_t j = 0; j < block.length; j += kLanes)
            write(carried + block.input + k * block.gap + j, read(own + k * block.stride() + j), block.length - j);
}

// The same of numbers that lie as one step of the output does.
inline Block outputs_of(const Block& block) { return {block.output, block.output, 1, 0, block.outputs, block.outputs}; }

// The states before the first step, membranes, currents and synapse: nothing, or what was carried here.
inline void begin(const Layer& layer, const Block& block, std::int64_t size, float* mem, float* syn, float* in) {
    for (float* part : {mem, syn, in}) std::fill(part, part + size, 0.0f);
    if (layer.held == nullptr) return;
    take(block, layer.held, mem);
    take(block, layer.held + layer.neurons, syn);
    if (layer.synapse) take(block, layer.held + 2 * layer.neurons, in);
}

// Give every neuron of a row the value of its window.
inline void unpool(const Layer& layer, const Block& block, const float* values, float* row) {
    for (std::int64_t from = 0; from < block.outputs; from += layer.channels)
        for (std::int64_t k = 0; k < layer.pool; ++k, row += layer.channels)
            copy_over(values + from, layer.channels, row);
}

// The neuron's constants and one step of it; `Input` gives its current.
struct Neuron {
    Floats leak, rate, threshold, zero = {}, one = splat(1.0f);
    explicit Neuron(const Layer& layer)
        : leak(splat(-layer.leak)), rate(splat(layer.rate)), threshold(splat(layer.threshold)) {}
    inline Floats change(Floats mem, Floats current) const { return mem * leak + current; }
    inline Floats reset(Floats u, Ints spike) const { return spike ? zero : u; }
    inline Floats synapse(Floats syn, Ints spike) const { return syn + ((spike ? one : zero) - syn) * rate; }
};

// The current of a row's neurons at one step: what lies in memory times `drive`, through the synapse where it has yet to.
template <class Value>
struct Input {
    const Value* row;
    float* synapse;  // what the synapse holds; null: nothing is to pass it
    float drive, rate;
    inline Floats operator()(std::int64_t j, std::int64_t left) const {
        const Floats given = read(row + j, left) * drive;
        if (synapse == nullptr) return given;
        const Floats before = read(synapse + j), after = before + (given - before) * rate;
        write(synapse + j, after);
        return after;
    }
};

template <class Value>
std::int64_t forward_block(const Layer& layer, const Block& block, const Value* current, const float* scale, Value* psc,
                           const Scratch& scratch) {
    const std::int64_t size = block.rows * block.stride(), out_step = layer.neurons / (layer.pool * layer.pool);
    const bool apart = layer.emit_spikes && layer.held != nullptr;  // spikes go on, currents are carried
    float *const mem = scratch[0], *const syn = scratch[1], *const in = scratch[2], *const line = scratch[3],
          *const sum = scratch[4], *const given = apart ? scratch[5] : syn;
    begin(layer, block, size, mem, syn, in);
    const Neuron neuron(layer);
    const float weight = layer.pool == 1 ? 1.0f : layer.pool_weight;
    Ints spikes = {};
    for (std::int64_t t = 0; t < layer.steps; ++t) {
        const Value* const step = current + (layer.constant ? 0 : t * layer.neurons) + block.input;
        Value* const out = psc + t * out_step + block.output;
        const float drive = layer.drive[t];
        for (std::int64_t k = 0; k < block.rows; ++k) {
            const Value* const row = step + k * block.gap;
            if (!layer.constant && t + 1 < layer.steps) prefetch(row + layer.neurons, block.length);
            const std::int64_t at = k * block.stride();
            const Input<Value> input{row, layer.synapse ? in + at : nullptr, drive, layer.rate};
            for (std::int64_t j = 0; j < block.length; j += kLanes) {
                const Floats before = read(mem + at + j);
                const Floats u = before + neuron.change(before, input(j, block.length - j));
                const Ints spike = u > neuron.threshold;
                spikes -= spike;
                write(mem + at + j, neuron.reset(u, spike));
                write(given + at + j, layer.emit_spikes ? (spike ? neuron.one : neuron.zero)
                                                        : neuron.synapse(read(syn + at + j), spike));
                if (apart) write(syn + at + j, neuron.synapse(read(syn + at + j), spike));
            }
        }
        if (layer.pool > 1) pool_rows(layer, block, given, line, sum);
        const float* const result = layer.pool > 1 ? sum : given;
        for (std::int64_t j = 0; j < block.outputs; j += kLanes) {
            const std::int64_t left = block.outputs - j;
            const Floats value = read(result + j) * weight;
            write(out + j, scale == nullptr ? value : value * read(scale + block.output + j, left), left);
        }
    }
    if (layer.held != nullptr) {
        put(block, mem, layer.held);
        put(block, syn, layer.held + layer.neurons);
        if (layer.synapse) put(block, in, layer.held + 2 * layer.neurons);
    }
    std::int64_t total = 0;
    for (std::int64_t lane = 0; lane < kLanes; ++lane) total += spikes[lane];
    return total;
}

// STBP's slopes of area 1, as in stbp.py: the derivative that a spike is given, `above` the threshold.
template <Rule kRule>
inline Floats slope_of(Floats above, float width) {
    const Floats zero = {}, one = splat(1.0f), away = larger(above, -above);
    if constexpr (kRule == kRectangle) return away < splat(width * 0.5f) ? splat(1.0f / width) : zero;
    if constexpr (kRule == kTriangle) return larger(one - away * (1.0f / width), zero) * (1.0f / width);
    if constexpr (kRule == kLogistic) {
        const Floats z = exponential(-smaller(away * (1.0f / width), splat(kExponentLimit)));  // alike on both sides
        return z / ((z + 1.0f) * (z + 1.0f) * width);
    }
    const Floats x = above * (1.0f / width);
    return one / ((x * x + 1.0f) * (kPi * width));
}

// Recompute the block's states and keep per step what the way back needs:
// released   `factor` = min(1 / du, 8) > 0 at a spike, -sg(u) < 0 where the fallback decides, else 0;
// published  `factor` = what multiplies the filtered gradient;
// both       `carry` = u / tau_m at a spike (positive), else 0: the weight of a later spike through the reset;
// STBP       `factor` = h(u), `carry` = (1 - 1 / tau_m) (1 - s - u h(u)): what u does to the next one.
template <Rule kRule, class Value>
void history_block(const Layer& layer, const Block& block, const Value* current, float* factor, float* carry,
                   const Scratch& scratch) {
    const std::int64_t size = block.rows * block.stride();
    float *const mem = scratch[0], *const syn = scratch[1], *const in = scratch[2];
    begin(layer, block, size, mem, syn, in);
    const Neuron neuron(layer);
    const Floats quiet = splat(0.25f * layer.rate), limit = splat(kExponentLimit), zero = {}, one = splat(1.0f);
    constexpr bool direct = kRule == kReleased || kRule == kPublishedFiring, smooth = kRule != kPublishedFiring;
    const Floats largest = splat(kRule == kReleased ? 8.0f : 10.0f), sign = splat(kRule == kPublishedSilent ? 1.0f : -1.0f);
    for (std::int64_t t = 0; t < layer.steps; ++t) {
        const Value* const step = current + (layer.constant ? 0 : t * layer.neurons) + block.input;
        const float drive = layer.drive[t];
        for (std::int64_t k = 0; k < block.rows; ++k) {
            const Value* const row = step + k * block.gap;
            if (!layer.constant && t + 1 < layer.steps) prefetch(row + layer.neurons, block.length);
            const std::int64_t at = k * block.stride(), kept = t * size + at;
            const Input<Value> input{row, layer.synapse ? in + at : nullptr, drive, layer.rate};
            for (std::int64_t j = 0; j < block.length; j += kLanes) {
                const Floats before = read(mem + at + j);
                const Floats du = neuron.change(before, input(j, block.length - j)), u = before + du;
                const Ints spike = u > neuron.threshold;
                write(mem + at + j, neuron.reset(u, spike));
                if constexpr (through_time(kRule)) {
                    const Floats h = slope_of<kRule>(u - neuron.threshold, layer.slope_width);
                    write(factor + kept + j, h);
                    write(carry + kept + j, ((spike ? zero : one) - u * h) * layer.keep);
                    continue;
                }
                Floats numerator = one, denominator = du;
                if constexpr (smooth) {
                    const Floats x = (neuron.threshold - u) * (1.0f / kWidth);
                    const Floats z = exponential(smaller(larger(x, -limit), limit)), slope = (z + 1.0f) * (z + 1.0f) * kWidth;
                    numerator = direct ? (spike ? one : z * sign) : z * sign;
                    denominator = direct ? (spike ? du : slope) : slope;
                }
                Floats f = numerator / denominator;
                if constexpr (direct) {
                    const Floats bounded = smaller(f, largest);
                    if constexpr (kRule == kReleased) {
                        const Floats a = neuron.synapse(read(syn + at + j), spike);
                        write(syn + at + j, a);
                        f = spike ? bounded : (a < quiet ? f : zero);
                    } else {
                        f = spike ? bounded : zero;
                    }
                }
                write(factor + kept + j, f);
                write(carry + kept + j, spike ? u * layer.leak : zero);
            }
        }
    }
}

// Where a step's gradient goes: to its place, or, for a current that is the same at all steps, onto a sum.
template <class Value>
struct EachStep {
    Value* place;
    float* synapse;  // as in `Input`
    float rate;
    inline void operator()(std::int64_t j, std::int64_t left, Floats g) const {
        if (synapse != nullptr) {
            g = read(synapse + j) + (g - read(synapse + j)) * rate;
            write(synapse + j, g);
        }
        write(place + j, g, left);
    }
};
struct Summed {
    float* total;
    float drive;
    inline void operator()(std::int64_t j, std::int64_t, Floats g) const { write(total + j, read(total + j) + g * drive); }
};

// One step back under released: theta' = h = factor (E + theta u / tau_m) at a spike, else (1 - 1 / tau_m) theta.
template <class To>
inline void released_step(const Layer& layer, std::int64_t length, const float* factor, const float* carry,
                          const float* filtered, float* theta, const To to) {
    const Floats zero = {}, reset = splat(layer.reset ? 1.0f : 0.0f);
    for (std::int64_t j = 0; j < length; j += kLanes) {
        const Floats f = read(factor + j), e = read(filtered + j), later = read(theta + j);
        const Floats h = f > zero ? f * (e + later * (read(carry + j) * reset)) : later * layer.keep;
        write(theta + j, h);
        to(j, length - j, f >= zero ? h : -f * e);  // a current that is not a number ends here
    }
}

// One step back through time: d' = E h + (1 - 1 / tau_m) (1 - s - u h) d.
template <class To>
inline void time_step(std::int64_t length, const float* factor, const float* carry, const float* filtered, float* later,
                      const To to) {
    for (std::int64_t j = 0; j < length; j += kLanes) {
        const Floats d = read(filtered + j) * read(factor + j) + read(carry + j) * read(later + j);
        write(later + j, d);
        to(j, length - j, d);
    }
}

// One step back under published: `next` is the error at the neuron's next spike, decayed to this step.
template <class To>
inline void published_step(const Layer& layer, std::int64_t length, const float* factor, const float* carry,
                           const float* error, float* next, float* filtered, const To to) {
    const Floats zero = {}, reset = splat(layer.reset ? 1.0f : 0.0f);
    for (std::int64_t j = 0; j < length; j += kLanes) {
        const Floats c = read(carry + j), e = read(error + j), later = read(next + j), before = read(filtered + j);
        const Floats after = before + ((e + c * reset * later) - before) * layer.rate;
        write(next + j, c > zero ? e : later * layer.keep);
        write(filtered + j, after);
        to(j, length - j, read(factor + j) * after);
    }
}

template <Rule kRule, class Value>
void backward_block(const Layer& layer, const Block& block, const Value* current, const float* scale,
                    const Value* grad_psc, Value* grad_current, const Scratch& scratch) {
    const std::int64_t size = block.rows * block.stride(), out_step = layer.neurons / (layer.pool * layer.pool);
    constexpr bool early = of_spikes(kRule);  // the error passes the synapse before the neurons, not after them
    float *const later = scratch[0], *const filtered = scratch[1], *const total = scratch[2], *const error = scratch[3],
          *const wide = scratch[4], *const factor = scratch[5], *const carry = scratch[5 + layer.steps];
    history_block<kRule>(layer, block, current, factor, carry, scratch);
    for (float* part : {later, filtered, total}) std::fill(part, part + size, 0.0f);
    const Block faded = early ? outputs_of(block) : block;
    if (layer.owed != nullptr) {
        take(block, layer.owed, later);
        take(faded, layer.owed + layer.neurons, filtered);
        if (layer.synapse) take(block, layer.owed + 2 * layer.neurons, total);
    }
    const float weight = layer.pool == 1 ? 1.0f : layer.pool_weight;
    for (std::int64_t t = layer.steps - 1; t >= 0; --t) {
        const Value* const grad = grad_psc + t * out_step + block.output;
        Value* const out = grad_current + (layer.constant ? 0 : t * layer.neurons) + block.input;
        if (t > 0) prefetch(grad - out_step, block.outputs);
        for (std::int64_t j = 0; j < block.outputs; j += kLanes) {
            const std::int64_t left = block.outputs - j;
            Floats e = read(grad + j, left) * weight;
            if (scale != nullptr) e *= read(scale + block.output + j, left);
            if (early && layer.emit_spikes) write(filtered + j, e);
            else if (early) write(filtered + j, read(filtered + j) + (e - read(filtered + j)) * layer.rate);
            else write(error + j, e);
        }
        const float* row = early ? filtered : error;
        if (layer.pool > 1) {
            unpool(layer, block, row, wide);
            row = wide;
        }
        for (std::int64_t k = 0; k < block.rows; ++k) {
            Value* const place = out + k * block.gap;
            if (t > 0 && !layer.constant) prefetch<1>(place - layer.neurons, block.length);
            const std::int64_t at = k * block.stride();
            const float *const f = factor + t * size + at, *const c = carry + t * size + at;
            const auto step = [&](auto to) {
                if constexpr (through_time(kRule)) time_step(block.length, f, c, row, later + at, to);
                else if constexpr (early) released_step(layer, block.length, f, c, row, later + at, to);
                else published_step(layer, block.length, f, c, row, later + at, filtered + at, to);
            };
            if (layer.constant) step(Summed{total + at, layer.drive[t]});
            else step(EachStep<Value>{place, layer.synapse ? total + at : nullptr, layer.rate});
        }
    }
    if (layer.owed != nullptr) {
        put(block, later, layer.owed);
        put(faded, filtered, layer.owed + layer.neurons);
        if (layer.synapse) put(block, total, layer.owed + 2 * layer.neurons);
    }
    for (std::int64_t k = 0; layer.constant && k < block.rows; ++k)
        for (std::int64_t j = 0; j < block.length; j += kLanes)
            write(grad_current + block.input + k * block.gap + j, read(total + k * block.stride() + j), block.length - j);
}

// Neurons of a block that keeps `arrays` numbers for each of them: in the first-level cache, but not too few.
std::int64_t target(std::int64_t arrays) {
    return std::max(kNear / arrays, std::min(kShortest, std::max(kFar / arrays, 4 * kLanes)));
}

template <class Value>
std::int64_t forward(const Layer& layer, const Value* current, const float* scale, Value* psc) {
    const std::int64_t arrays = layer.emit_spikes && layer.held != nullptr ? 6 : 5;
    const Blocks blocks(layer, target(arrays));
    const std::int64_t count = blocks.count();
    std::int64_t spikes = 0;
#pragma omp parallel num_threads(layer.threads) if (layer.steps * layer.neurons > kSmall) reduction(+ : spikes)
    {
        const Scratch scratch(arrays, blocks.largest());
#pragma omp for schedule(dynamic)
        for (std::int64_t index = 0; index < count; ++index)
            spikes += forward_block(layer, blocks[index], current, scale, psc, scratch);
    }
    return spikes;
}

template <Rule kRule, class Value>
void backward(const Layer& layer, const Value* current, const float* scale, const Value* grad_psc, Value* grad_current) {
    const std::int64_t arrays = 5 + 2 * layer.steps;
    const Blocks blocks(layer, target(arrays));
    const std::int64_t count = blocks.count();
#pragma omp parallel num_threads(layer.threads) if (layer.steps * layer.neurons > kSmall)
    {
        const Scratch scratch(arrays, blocks.largest());
#pragma omp for schedule(dynamic)
        for (std::int64_t index = 0; index < count; ++index)
            backward_block<kRule>(layer, blocks[index], current, scale, grad_psc, grad_current, scratch);
    }
}

// Gives back whether there is such a rule; there is none that another could stand for.
template <class Value>
bool backward_by_rule(const Layer& layer, const Value* current, const float* scale, const Value* grad, Value* grad_current) {
    switch (layer.rule) {
        case kReleased: backward<kReleased>(layer, current, scale, grad, grad_current); return true;
        case kSurrogate: backward<kSurrogate>(layer, current, scale, grad, grad_current); return true;
        case kPublishedFiring: backward<kPublishedFiring>(layer, current, scale, grad, grad_current); return true;
        case kPublishedSilent: backward<kPublishedSilent>(layer, current, scale, grad, grad_current); return true;
        case kRectangle: backward<kRectangle>(layer, current, scale, grad, grad_current); return true;
        case kTriangle: backward<kTriangle>(layer, current, scale, grad, grad_current); return true;
        case kLogistic: backward<kLogistic>(layer, current, scale, grad, grad_current); return true;
        case kArctan: backward<kArctan>(layer, current, scale, grad, grad_current); return true;
        default: return false;
    }
}

void filter(const Layer& layer, bool reverse, const float* values, float* filtered) {
    const std::int64_t steps = layer.steps, neurons = layer.neurons, span = 1024 * kLanes, count = (neurons + span - 1) / span;
#pragma omp parallel for num_threads(layer.threads) if (steps * neurons > kSmall)
    for (std::int64_t block = 0; block < count; ++block) {
        const std::int64_t first = block * span, last = std::min(first + span, neurons);
        for (std::int64_t k = 0; k < steps; ++k) {
            const std::int64_t at = (reverse ? steps - 1 - k : k) * neurons, before = at + (reverse ? neurons : -neurons);
            for (std::int64_t j = first; j < last; j += kLanes) {
                const Floats psc = k == 0 ? Floats{} : read(filtered + before + j, last - j);
                write(filtered + at + j, psc + (read(values + at + j, last - j) - psc) * layer.rate, last - j);
            }
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
std::int64_t tsslbp_backward_float32(const Layer* layer, const float* current, const float* scale,
                                     const float* grad_psc, float* grad_current) {
    return backward_by_rule(*layer, current, scale, grad_psc, grad_current);
}
std::int64_t tsslbp_backward_bfloat16(const Layer* layer, const BFloat16* current, const float* scale,
                                      const BFloat16* grad_psc, BFloat16* grad_current) {
    return backward_by_rule(*layer, current, scale, grad_psc, grad_current);
}
void psc_filter(const Layer* layer, const float* values, float* filtered) { filter(*layer, false, values, filtered); }
void psc_filter_back(const Layer* layer, const float* values, float* filtered) { filter(*layer, true, values, filtered); }
}
