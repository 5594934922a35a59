// Convolutions and products of values that are mostly zero, as spikes are: the weighted sums of what is there, and the
// gradient of the weights. Both cost in proportion to the number of spikes.
//
// A map has `height` x `width` places with `channels` values each; a matrix product is a map of one row, whose kernel is
// 1 x 1 and whose places are the samples. Weights are packed per chunk of output channels as [channel][row][column][out],
// rows and columns counted from the last: the spike at (y, x) then adds one contiguous run per kernel row to the outputs.

#include <algorithm>
#include <memory>

#include "vectors.hpp"

extern "C" {

struct Maps {
    std::int64_t frames, height, width, channels;
    std::int64_t channel;  // distance between a place's channels in the values: 1, or height * width
    std::int64_t out_channels, kernel_height, kernel_width, pad_height, pad_width;
    std::int32_t threads;
};

// What is there: `channel` and `value` of every spike, place by place; those of a frame begin at start[frame], those of a
// place in it at first[frame * (places + 1) + place].
struct Spikes {
    std::int64_t* start;
    std::int32_t* first;
    std::int32_t* channel;
    float* value;
};

}

namespace {

constexpr std::int64_t kChunk = 64;  // output channels worked on at once, so that their weights stay in a near cache
constexpr std::int64_t kGroup = 4;   // vectors summed in registers

std::int64_t whole(std::int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

struct Geometry {
    explicit Geometry(const Maps& maps)
        : places(maps.height * maps.width),
          height(maps.height + 2 * maps.pad_height - maps.kernel_height + 1),
          width(maps.width + 2 * maps.pad_width - maps.kernel_width + 1),
          margin_height(maps.kernel_height - 1 - maps.pad_height),
          margin_width(maps.kernel_width - 1 - maps.pad_width) {}
    std::int64_t places, height, width;         // of the output
    std::int64_t margin_height, margin_width;   // by which a spike's first output lies before its own place
};

// A chunk of output channels: how many, and how long a kernel row is in the packed weights.
struct Chunk {
    Chunk(const Maps& maps, std::int64_t index)
        : first(index * kChunk),
          count(std::min(kChunk, maps.out_channels - first)),
          run(maps.kernel_width * count),
          row(whole(run + kLanes - 1)) {}
    std::int64_t first, count, run, row;  // behind a run there are zeros for whole vectors that begin anywhere in it
    std::int64_t weights(const Maps& maps) const { return maps.channels * maps.kernel_height * row; }
};

std::int64_t chunks(const Maps& maps) { return (maps.out_channels + kChunk - 1) / kChunk; }

// Visit the parts of a chunk that lie together in (height, width, out_channels): whole rows where there is one chunk.
template <class Visit>  // visit(row, column, where it begins, length)
void each_part(const Maps& maps, const Geometry& to, const Chunk& chunk, const Visit& visit) {
    const std::int64_t columns = chunk.count == maps.out_channels ? to.width : 1;
    for (std::int64_t y = 0; y < to.height; ++y)
        for (std::int64_t x = 0; x < to.width; x += columns)
            visit(y, x, (y * to.width + x) * maps.out_channels + chunk.first, columns * chunk.count);
}

// Where the weights of one output channel, in the order (channel, row, column), lie in a packed chunk.
inline std::int64_t packed_at(const Maps& maps, const Chunk& chunk, std::int64_t index) {
    const std::int64_t x = index % maps.kernel_width, rest = index / maps.kernel_width;
    const std::int64_t y = rest % maps.kernel_height, channel = rest / maps.kernel_height;
    return (channel * maps.kernel_height + maps.kernel_height - 1 - y) * chunk.row + (maps.kernel_width - 1 - x) * chunk.count;
}

std::int64_t weights_of_output(const Maps& maps) { return maps.channels * maps.kernel_height * maps.kernel_width; }

// Visit `weight` (out, channel, row, column) in tiles of at most kLanes x kLanes, both orders of memory in view.
template <class Visit>  // visit(where the tile begins, how many outputs, first weight of an output, how many of them)
void each_tile(const Maps& maps, const Chunk& chunk, const Visit& visit) {
    const std::int64_t all = weights_of_output(maps);
#pragma omp for schedule(static)
    for (std::int64_t m = 0; m < all; m += kLanes)
        for (std::int64_t out = 0; out < chunk.count; out += kLanes)
            visit(out, std::min(kLanes, chunk.count - out), m, std::min(kLanes, all - m));
}

void pack(const Maps& maps, const Chunk& chunk, const float* weight, float* packed) {
    const std::int64_t all = weights_of_output(maps), rows = maps.channels * maps.kernel_height;
#pragma omp for schedule(static)
    for (std::int64_t row = 0; row < rows; ++row)
        std::fill(packed + row * chunk.row + chunk.run, packed + (row + 1) * chunk.row, 0.0f);
    each_tile(maps, chunk, [&](auto out, auto outs, auto m, auto count) {
        float tile[kLanes][kLanes];
        for (std::int64_t i = 0; i < outs; ++i) write(tile[i], read(weight + (chunk.first + out + i) * all + m, count));
        for (std::int64_t k = 0; k < count; ++k) {
            float* const to = packed + packed_at(maps, chunk, m + k) + out;
            for (std::int64_t i = 0; i < outs; ++i) to[i] = tile[i][k];
        }
    });
}

// The sum of the packed `parts`, `size` apart, as weights (out, channel, row, column).
void unpack(const Maps& maps, const Chunk& chunk, const float* packed, std::int64_t parts, std::int64_t size, float* weight) {
    const std::int64_t all = weights_of_output(maps);
    each_tile(maps, chunk, [&](auto out, auto outs, auto m, auto count) {
        float tile[kLanes][kLanes];
        for (std::int64_t k = 0; k < count; ++k) {
            const float* const from = packed + packed_at(maps, chunk, m + k) + out;
            for (std::int64_t i = 0; i < outs; ++i) tile[i][k] = from[i];
            for (std::int64_t part = 1; part < parts; ++part)
                for (std::int64_t i = 0; i < outs; ++i) tile[i][k] += from[part * size + i];
        }
        for (std::int64_t i = 0; i < outs; ++i) write(weight + (chunk.first + out + i) * all + m, read(tile[i]), count);
    });
}

// sum[j] += sum over spikes of value * weights[channel's offset + j], j < length, in whole vectors.
inline void add_runs(const std::int32_t* channel, const float* value, std::int64_t count, const float* weights,
                     std::int64_t channel_step, std::int64_t length, float* sum) {
    std::int64_t j = 0;
    for (; j + kGroup * kLanes <= length; j += kGroup * kLanes) {
        Floats total[kGroup];
        for (std::int64_t g = 0; g < kGroup; ++g) total[g] = read(sum + j + g * kLanes);
        for (std::int64_t k = 0; k < count; ++k) {
            const float* const from = weights + channel[k] * channel_step + j;
            const Floats v = splat(value[k]);
            for (std::int64_t g = 0; g < kGroup; ++g) total[g] = multiply_add(v, read(from + g * kLanes), total[g]);
        }
        for (std::int64_t g = 0; g < kGroup; ++g) write(sum + j + g * kLanes, total[g]);
    }
    for (; j < length; j += kLanes) {
        Floats total = read(sum + j);
        for (std::int64_t k = 0; k < count; ++k)
            total = multiply_add(splat(value[k]), read(weights + channel[k] * channel_step + j), total);
        write(sum + j, total);
    }
}

// Visit the indices of the values that are not zero.
template <class Visit>
inline void each_spike(const float* values, std::int64_t size, const Visit& visit) {
    for (std::int64_t j = 0; j < size; j += kLanes)
        for (std::uint32_t there = not_zero(read(values + j, size - j)); there != 0; there &= there - 1)
            visit(j + __builtin_ctz(there));
}

// The outputs of one frame and chunk, in `sums`: rows of width * chunk.count numbers and a margin for what whole vectors
// write behind them.
void sum_frame(const Maps& maps, const Geometry& to, const Chunk& chunk, const Spikes& spikes, std::int64_t frame,
               const float* weights, float* sums, std::int64_t sums_row) {
    const std::int32_t* const first = spikes.first + frame * (to.places + 1);
    const std::int32_t* const channel = spikes.channel + spikes.start[frame];
    const float* const value = spikes.value + spikes.start[frame];
    std::fill(sums, sums + to.height * sums_row, 0.0f);
    for (std::int64_t place = 0; place < to.places; ++place) {
        const std::int64_t begin = first[place], count = first[place + 1] - begin;
        if (count == 0) continue;
        const std::int64_t y = place / maps.width - to.margin_height, x = place % maps.width - to.margin_width;
        const std::int64_t left = std::max<std::int64_t>(0, -x), right = std::min(maps.kernel_width, to.width - x);
        if (left >= right) continue;
        for (std::int64_t r = std::max<std::int64_t>(0, -y); r < std::min(maps.kernel_height, to.height - y); ++r)
            add_runs(channel + begin, value + begin, count, weights + r * chunk.row + left * chunk.count,
                     maps.kernel_height * chunk.row, (right - left) * chunk.count,
                     sums + (y + r) * sums_row + (x + left) * chunk.count);
    }
}

// The spikes of a frame sorted by channel: where each one's run of gradients begins, its row, and its value.
struct ByChannel {
    ByChannel(const Maps& maps, std::int64_t spikes)
        : first(new std::int32_t[maps.channels + 1]),
          offset(new std::int32_t[spikes + 1]),
          row(new std::int32_t[spikes + 1]),
          value(new float[spikes + 1]) {}
    std::unique_ptr<std::int32_t[]> first, offset, row;
    std::unique_ptr<float[]> value;

    void sort(const Maps& maps, const Geometry& to, const Spikes& spikes, std::int64_t frame, std::int64_t column) {
        const std::int32_t* const places = spikes.first + frame * (to.places + 1);
        const std::int32_t* const channel = spikes.channel + spikes.start[frame];
        const float* const values = spikes.value + spikes.start[frame];
        std::fill(first.get(), first.get() + maps.channels + 1, 0);
        const std::int32_t count = places[to.places];
        for (std::int32_t k = 0; k < count; ++k) ++first[channel[k] + 1];
        for (std::int64_t c = 0; c < maps.channels; ++c) first[c + 1] += first[c];
        std::unique_ptr<std::int32_t[]> next(new std::int32_t[maps.channels]);
        std::copy(first.get(), first.get() + maps.channels, next.get());
        for (std::int64_t place = 0; place < to.places; ++place)
            for (std::int32_t k = places[place]; k < places[place + 1]; ++k) {
                const std::int32_t at = next[channel[k]]++;
                offset[at] = static_cast<std::int32_t>(place % maps.width * column);
                row[at] = static_cast<std::int32_t>(place / maps.width - to.margin_height);
                value[at] = values[k];
            }
    }
};

// Add one frame to the packed gradients of a chunk's weights; `grads` has rows of gradients with margins of zeros.
void gradients_of_frame(const Maps& maps, const Geometry& to, const Chunk& chunk, const ByChannel& spikes,
                        const float* grads, std::int64_t grads_row, float* sums) {
    for (std::int64_t c = 0; c < maps.channels; ++c) {
        std::int64_t begin = spikes.first[c], end = spikes.first[c + 1];
        for (std::int64_t r = 0; r < maps.kernel_height && begin < end; ++r) {
            std::int64_t low = begin, high = end;  // rows are sorted: those that meet an output row
            while (low < high && spikes.row[low] + r < 0) ++low;
            while (low < high && spikes.row[high - 1] + r >= to.height) --high;
            float* const sum = sums + (c * maps.kernel_height + r) * chunk.row;
            for (std::int64_t j = 0; j < chunk.run; j += kGroup * kLanes) {
                const std::int64_t vectors = std::min(kGroup, (chunk.run - j + kLanes - 1) / kLanes);
                const auto add = [&](auto size) {
                    Floats total[size.value];
                    for (std::int64_t g = 0; g < size.value; ++g) total[g] = read(sum + j + g * kLanes);
                    for (std::int64_t k = low; k < high; ++k) {
                        const float* const from = grads + (spikes.row[k] + r) * grads_row + spikes.offset[k] + j;
                        const Floats v = splat(spikes.value[k]);
                        for (std::int64_t g = 0; g < size.value; ++g)
                            total[g] = multiply_add(v, read(from + g * kLanes), total[g]);
                    }
                    for (std::int64_t g = 0; g < size.value; ++g) write(sum + j + g * kLanes, total[g]);
                };
                if (vectors == 4) add(std::integral_constant<std::int64_t, 4>());
                else if (vectors == 3) add(std::integral_constant<std::int64_t, 3>());
                else if (vectors == 2) add(std::integral_constant<std::int64_t, 2>());
                else add(std::integral_constant<std::int64_t, 1>());
            }
        }
    }
}

}  // namespace

extern "C" {

// Counts the values that are not zero and writes where each frame's begin, frames + 1 numbers.
std::int64_t spikes_count(const Maps* maps, const float* values, std::int64_t* start) {
    const std::int64_t size = maps->height * maps->width * maps->channels;
#pragma omp parallel for num_threads(maps->threads) schedule(static)
    for (std::int64_t frame = 0; frame < maps->frames; ++frame) {
        Ints total = {};
        const float* const from = values + frame * size;
        for (std::int64_t j = 0; j < size; j += kLanes) total -= read(from + j, size - j) != Floats{};
        std::int64_t sum = 0;
        for (std::int64_t lane = 0; lane < kLanes; ++lane) sum += total[lane];
        start[frame + 1] = sum;
    }
    start[0] = 0;
    for (std::int64_t frame = 0; frame < maps->frames; ++frame) start[frame + 1] += start[frame];
    return start[maps->frames];
}

// Lists them; `start` is as spikes_count left it.
void spikes_list(const Maps* maps, const float* values, const Spikes* spikes) {
    const std::int64_t places = maps->height * maps->width, size = places * maps->channels;
#pragma omp parallel for num_threads(maps->threads) schedule(static)
    for (std::int64_t frame = 0; frame < maps->frames; ++frame) {
        const float* const from = values + frame * size;
        std::int32_t* const first = spikes->first + frame * (places + 1);
        std::int32_t* const channel = spikes->channel + spikes->start[frame];
        float* const value = spikes->value + spikes->start[frame];
        const bool last = maps->channel == 1;  // channels are innermost
        const auto place_of = [&](std::int64_t j) { return last ? j / maps->channels : j % places; };
        std::fill(first, first + places + 1, 0);
        each_spike(from, size, [&](std::int64_t j) { ++first[place_of(j) + 1]; });
        // first[place + 1] counts up from the place's beginning to its end, which is the next one's beginning.
        for (std::int64_t place = 0, before = 0; place < places; ++place) {
            const std::int32_t count = first[place + 1];
            first[place + 1] = static_cast<std::int32_t>(before);
            before += count;
        }
        each_spike(from, size, [&](std::int64_t j) {
            const std::int32_t at = first[place_of(j) + 1]++;
            channel[at] = static_cast<std::int32_t>(last ? j % maps->channels : j / places);
            value[at] = from[j];
        });
    }
}

// outputs (frames, height, width, out_channels) = the weighted sums of the spikes; `weight` (out, channel, row, column).
void spikes_forward(const Maps* maps, const Spikes* spikes, const float* weight, float* outputs) {
    const Geometry to(*maps);
    for (std::int64_t index = 0; index < chunks(*maps); ++index) {
        const Chunk chunk(*maps, index);
        const std::int64_t sums_row = to.width * chunk.count + kLanes;
        std::unique_ptr<float[]> packed(new float[chunk.weights(*maps) + kLanes]);
#pragma omp parallel num_threads(maps->threads)
        {
            pack(*maps, chunk, weight, packed.get());
            std::unique_ptr<float[]> sums(new float[to.height * sums_row + kLanes]);
#pragma omp for schedule(dynamic)
            for (std::int64_t frame = 0; frame < maps->frames; ++frame) {
                sum_frame(*maps, to, chunk, *spikes, frame, packed.get(), sums.get(), sums_row);
                float* const out = outputs + frame * to.height * to.width * maps->out_channels;
                each_part(*maps, to, chunk, [&](auto y, auto x, auto begin, auto length) {
                    std::memcpy(out + begin, sums.get() + y * sums_row + x * chunk.count, length * sizeof(float));
                });
            }
        }
    }
}

// gradient (out, channel, row, column) of the weights from that of the outputs.
void spikes_backward(const Maps* maps, const Spikes* spikes, const float* grad_outputs, float* gradient) {
    const Geometry to(*maps);
    std::int64_t most = 0;
    for (std::int64_t frame = 0; frame < maps->frames; ++frame)
        most = std::max(most, spikes->start[frame + 1] - spikes->start[frame]);
    for (std::int64_t index = 0; index < chunks(*maps); ++index) {
        const Chunk chunk(*maps, index);
        const std::int64_t size = chunk.weights(*maps);
        const std::int64_t grads_row = (to.width + 2 * to.margin_width) * chunk.count + kLanes;
        std::unique_ptr<float[]> partial(new float[maps->threads * size]);
        std::fill(partial.get(), partial.get() + maps->threads * size, 0.0f);
#pragma omp parallel num_threads(maps->threads)
        {
            std::unique_ptr<float[]> grads(new float[to.height * grads_row + chunk.row]);
            std::fill(grads.get(), grads.get() + to.height * grads_row + chunk.row, 0.0f);
            ByChannel sorted(*maps, most);
#pragma omp for schedule(static)
            for (std::int64_t thread = 0; thread < maps->threads; ++thread)
                for (std::int64_t frame = thread; frame < maps->frames; frame += maps->threads) {
                    const float* const from = grad_outputs + frame * to.height * to.width * maps->out_channels;
                    each_part(*maps, to, chunk, [&](auto y, auto x, auto begin, auto length) {
                        float* const into = grads.get() + y * grads_row + (x + to.margin_width) * chunk.count;
                        std::memcpy(into, from + begin, length * sizeof(float));
                    });
                    sorted.sort(*maps, to, *spikes, frame, chunk.count);
                    gradients_of_frame(*maps, to, chunk, sorted, grads.get(), grads_row, partial.get() + thread * size);
                }
            unpack(*maps, chunk, partial.get(), maps->threads, size, gradient);
        }
    }
}
}
