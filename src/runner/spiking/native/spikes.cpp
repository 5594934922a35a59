// Convolutions and products of values that are mostly zero, as spikes are: the weighted sums of what is there, and the
// gradient of the weights. Both cost in proportion to the number of spikes.
//
// A map has `height` x `width` places with `channels` values each; a matrix product is a map of one row, whose kernel is
// 1 x 1 and whose places are the samples. Weights are packed per chunk of output channels as [channel][row][column][out],
// rows and columns counted from the last: the spike at (y, x) then adds one contiguous run per kernel row to the outputs.

#include <algorithm>
#include <memory>
#include <utility>

#include "maps.hpp"

extern "C" {

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
constexpr std::int64_t kWide = 128;  // the same where kernels have one column, so that runs are long enough
// Vectors summed in registers: with AVX-512 a kernel row of five columns of a chunk.
constexpr std::int64_t kGroup = kRegisters == 32 ? 20 : 10;

// A chunk of output channels: how many, and how long a kernel row is in the packed weights.
struct Chunk {
    Chunk(const Maps& maps, std::int64_t index)
        : first(index * width(maps)),
          count(std::min(width(maps), maps.out_channels - first)),
          run(maps.kernel_width * count),
          row(whole(maps.kernel_width == 1 ? run : run + kLanes - 1)) {}
    static std::int64_t width(const Maps& maps) { return maps.kernel_width == 1 ? kWide : kChunk; }
    std::int64_t first, count, run, row;  // behind a run there are zeros for whole vectors that begin anywhere in it
    std::int64_t weights(const Maps& maps) const { return maps.channels * maps.kernel_height * row; }
};

std::int64_t chunks(const Maps& maps) { return (maps.out_channels + Chunk::width(maps) - 1) / Chunk::width(maps); }

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

// sum[j] += sum over k of value(k) * row(k)[j] for as many vectors as there are numbers in the sequence, all in registers.
template <class Value, class Row, std::size_t... kVector>
inline void add_vectors(std::int64_t count, const Value& value, const Row& row, float* sum, std::index_sequence<kVector...>) {
    Floats total[] = {read(sum + kVector * kLanes)...};
    for (std::int64_t k = 0; k < count; ++k) {
        const float* const from = row(k);
        const Floats factor = splat(value(k));
        ((total[kVector] = multiply_add(factor, read(from + kVector * kLanes), total[kVector])), ...);
    }
    (write(sum + kVector * kLanes, total[kVector]), ...);
}

// The same for `vectors` vectors, from 1 to kMost.
template <std::size_t kMost, class Value, class Row>
inline void add_up_to(std::int64_t vectors, std::int64_t count, const Value& value, const Row& row, float* sum) {
    if constexpr (kMost > 1)
        if (vectors < static_cast<std::int64_t>(kMost)) return add_up_to<kMost - 1>(vectors, count, value, row, sum);
    add_vectors(count, value, row, sum, std::make_index_sequence<kMost>());
}

// The same for j < length, in whole vectors.
template <class Value, class Row>
inline void add_runs(std::int64_t count, const Value& value, const Row& row, std::int64_t length, float* sum) {
    for (std::int64_t j = 0; j < length; j += kGroup * kLanes) {
        const std::int64_t vectors = std::min(kGroup, (length - j + kLanes - 1) / kLanes);
        add_up_to<kGroup>(vectors, count, value, [&](std::int64_t k) { return row(k) + j; }, sum + j);
    }
}

// `add_runs` that reads nothing behind the last number of a row.
template <class Value, class Row>
inline void add_exactly(std::int64_t count, const Value& value, const Row& row, std::int64_t length, float* sum) {
    const std::int64_t vectors = length / kLanes * kLanes;
    add_runs(count, value, row, vectors, sum);
    if (vectors == length) return;
    Floats total = read(sum + vectors);
    for (std::int64_t k = 0; k < count; ++k)
        total = multiply_add(splat(value(k)), read(row(k) + vectors, length - vectors), total);
    write(sum + vectors, total);
}

// `Spikes` of one frame whose channels are innermost in memory.
void list_places(const Maps& maps, const float* values, std::int32_t* first, std::int32_t* channel, float* value) {
    const std::int64_t places = maps.height * maps.width;
    std::int32_t at = 0;
    for (std::int64_t place = 0; place < places; ++place, values += maps.channels) {
        first[place] = at;
        for (std::int64_t c = 0; c < maps.channels; c += kLanes) {
            const Floats found = read(values + c, maps.channels - c);
            const std::uint32_t there = not_zero(found);
            if (there != 0) at += compress(there, found, static_cast<std::int32_t>(c), value + at, channel + at);
        }
    }
    first[places] = at;
}

// `Spikes` of one frame that has whole planes, one for each channel.
void list_planes(const Maps& maps, const float* values, std::int32_t* first, std::int32_t* channel, float* value) {
    const std::int64_t places = maps.height * maps.width;
    std::fill(first, first + places + 1, 0);
    const auto each = [&](const auto& visit) {
        for (std::int64_t c = 0; c < maps.channels; ++c)
            for (std::int64_t p = 0; p < places; p += kLanes) {
                const float* const from = values + c * places + p;
                for (std::uint32_t there = not_zero(read(from, places - p)); there != 0; there &= there - 1)
                    visit(c, p + __builtin_ctz(there));
            }
    };
    each([&](std::int64_t, std::int64_t place) { ++first[place + 1]; });
    // first[place + 1] counts up from the place's beginning to its end, which is the next one's beginning.
    for (std::int64_t place = 0, before = 0; place < places; ++place) {
        const std::int32_t count = first[place + 1];
        first[place + 1] = static_cast<std::int32_t>(before);
        before += count;
    }
    each([&](std::int64_t c, std::int64_t place) {
        const std::int32_t at = first[place + 1]++;
        channel[at] = static_cast<std::int32_t>(c);
        value[at] = values[c * places + place];
    });
}

// The outputs of one frame and chunk, in `sums`: rows of width * chunk.count numbers and a margin for what whole vectors
// write behind them.
void sum_frame(const Maps& maps, const Geometry& to, const Chunk& chunk, const Spikes& spikes, std::int64_t frame,
               const float* weights, float* sums, std::int64_t sums_row) {
    const std::int32_t* const first = spikes.first + frame * (to.places + 1);
    const std::int32_t* const channel = spikes.channel + spikes.start[frame];
    const float* const value = spikes.value + spikes.start[frame];
    std::fill(sums, sums + to.height * sums_row, 0.0f);
    for (std::int64_t place = 0, y = -to.margin_height; y < maps.height - to.margin_height; ++y) {
        const std::int64_t above = std::max<std::int64_t>(0, -y), below = std::min(maps.kernel_height, to.height - y);
        for (std::int64_t x = -to.margin_width; x < maps.width - to.margin_width; ++x, ++place) {
            const std::int64_t begin = first[place], count = first[place + 1] - begin;
            const std::int64_t left = std::max<std::int64_t>(0, -x), right = std::min(maps.kernel_width, to.width - x);
            if (count == 0 || left >= right) continue;
            for (std::int64_t r = above; r < below; ++r) {
                const float* const from = weights + r * chunk.row + left * chunk.count;
                const auto row = [&](std::int64_t k) { return from + channel[begin + k] * maps.kernel_height * chunk.row; };
                add_runs(count, [&](std::int64_t k) { return value[begin + k]; }, row, (right - left) * chunk.count,
                         sums + (y + r) * sums_row + (x + left) * chunk.count);
            }
        }
    }
}

// The spikes of every frame sorted by channel: the row of each one's first output, its column, and its value. Those of a
// frame begin where `Spikes` has them, those of a channel in it at first[frame * (channels + 1) + channel].
struct ByChannel {
    ByChannel(const Maps& maps, std::int64_t spikes)
        : first(new std::int32_t[maps.frames * (maps.channels + 1)]),
          row(new std::int32_t[spikes]),
          column(new std::int32_t[spikes]),
          value(new float[spikes]) {}
    std::unique_ptr<std::int32_t[]> first, row, column;
    std::unique_ptr<float[]> value;

    void sort(const Maps& maps, const Geometry& to, const Spikes& spikes, std::int64_t frame) {
        const std::int64_t start = spikes.start[frame];
        const std::int32_t* const places = spikes.first + frame * (to.places + 1);
        const std::int32_t* const channel = spikes.channel + start;
        const std::int32_t count = places[to.places];
        std::int32_t* const begin = first.get() + frame * (maps.channels + 1);
        std::fill(begin, begin + maps.channels + 1, 0);
        for (std::int32_t k = 0; k < count; ++k) ++begin[channel[k] + 1];
        // begin[channel + 1] counts up from the channel's beginning to its end, which is the next one's beginning.
        for (std::int64_t c = 0, before = 0; c < maps.channels; ++c) {
            const std::int32_t own = begin[c + 1];
            begin[c + 1] = static_cast<std::int32_t>(before);
            before += own;
        }
        for (std::int64_t place = 0, y = 0; y < maps.height; ++y)
            for (std::int64_t x = 0; x < maps.width; ++x, ++place)
                for (std::int32_t k = places[place]; k < places[place + 1]; ++k) {
                    const std::int64_t at = start + begin[channel[k] + 1]++;
                    row[at] = static_cast<std::int32_t>(y - to.margin_height);
                    column[at] = static_cast<std::int32_t>(x);
                    value[at] = spikes.value[start + k];
                }
    }
};

// Add one frame to the packed gradients of a chunk's weights; `grads` has rows of gradients with margins of zeros.
void gradients_of_frame(const Maps& maps, const Geometry& to, const Chunk& chunk, const Spikes& spikes,
                        const ByChannel& sorted, std::int64_t frame, const float* grads, std::int64_t grads_row, float* sums) {
    const std::int32_t* const first = sorted.first.get() + frame * (maps.channels + 1);
    const std::int32_t* const rows = sorted.row.get() + spikes.start[frame];
    const std::int32_t* const columns = sorted.column.get() + spikes.start[frame];
    const float* const value = sorted.value.get() + spikes.start[frame];
    for (std::int64_t c = 0; c < maps.channels; ++c) {
        const std::int64_t begin = first[c], end = first[c + 1];
        for (std::int64_t r = 0; r < maps.kernel_height && begin < end; ++r) {
            std::int64_t low = begin, high = end;  // rows are sorted: those that meet an output row
            while (low < high && rows[low] + r < 0) ++low;
            while (low < high && rows[high - 1] + r >= to.height) --high;
            const auto from = [&](std::int64_t k) {
                return grads + (rows[low + k] + r) * grads_row + columns[low + k] * chunk.count;
            };
            add_runs(high - low, [&](std::int64_t k) { return value[low + k]; }, from, chunk.run,
                     sums + (c * maps.kernel_height + r) * chunk.row);
        }
    }
}

// The gradient of a matrix product's weights: every input's own column, written once.
void gradients_of_product(const Maps& maps, const Spikes& spikes, const ByChannel& sorted, const float* grads,
                          float* gradient) {
#pragma omp parallel num_threads(maps.threads)
    {
        const Buffer sums(kLanes * kWide);
#pragma omp for schedule(dynamic)
        for (std::int64_t tile = 0; tile < maps.channels; tile += kLanes) {
            const std::int64_t inputs = std::min(kLanes, maps.channels - tile);
            for (std::int64_t index = 0; index < chunks(maps); ++index) {
                const Chunk chunk(maps, index);
                std::fill(sums.get(), sums.get() + kLanes * kWide, 0.0f);
                for (std::int64_t i = 0; i < inputs; ++i)
                    for (std::int64_t frame = 0; frame < maps.frames; ++frame) {
                        const std::int32_t* const first = sorted.first.get() + frame * (maps.channels + 1) + tile + i;
                        const std::int64_t begin = spikes.start[frame] + first[0], count = first[1] - first[0];
                        const float* const from = grads + frame * maps.width * maps.out_channels + chunk.first;
                        if (count == 0) continue;
                        const auto row = [&](std::int64_t k) { return from + sorted.column[begin + k] * maps.out_channels; };
                        add_exactly(count, [&](std::int64_t k) { return sorted.value[begin + k]; }, row, chunk.count,
                                    sums.get() + i * kWide);
                    }
                for (std::int64_t out = 0; out < chunk.count; ++out) {
                    float column[kLanes];
                    for (std::int64_t i = 0; i < kLanes; ++i) column[i] = sums.get()[i * kWide + out];
                    write(gradient + (chunk.first + out) * maps.channels + tile, read(column), inputs);
                }
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
        std::int32_t* const first = spikes->first + frame * (places + 1);
        std::int32_t* const channel = spikes->channel + spikes->start[frame];
        float* const value = spikes->value + spikes->start[frame];
        const bool innermost = maps->channel == 1;
        (innermost ? list_places : list_planes)(*maps, values + frame * size, first, channel, value);
    }
}

// outputs (frames, height, width, out_channels) = the weighted sums of the spikes; `weight` (out, channel, row, column).
void spikes_forward(const Maps* maps, const Spikes* spikes, const float* weight, float* outputs) {
    const Geometry to(*maps);
    for (std::int64_t index = 0; index < chunks(*maps); ++index) {
        const Chunk chunk(*maps, index);
        const std::int64_t sums_row = to.width * chunk.count + kLanes;
        const Buffer packed(chunk.weights(*maps) + kLanes);
#pragma omp parallel num_threads(maps->threads)
        {
            pack(*maps, chunk, weight, packed.get());
            const Buffer sums(to.height * sums_row + kLanes);
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
    ByChannel sorted(*maps, spikes->start[maps->frames]);
#pragma omp parallel for num_threads(maps->threads) schedule(static)
    for (std::int64_t frame = 0; frame < maps->frames; ++frame) sorted.sort(*maps, to, *spikes, frame);
    if (maps->height * maps->kernel_height * maps->kernel_width == 1 && maps->pad_height + maps->pad_width == 0)
        return gradients_of_product(*maps, *spikes, sorted, grad_outputs, gradient);
    for (std::int64_t index = 0; index < chunks(*maps); ++index) {
        const Chunk chunk(*maps, index);
        const std::int64_t size = chunk.weights(*maps);
        const std::int64_t grads_row = (to.width + 2 * to.margin_width) * chunk.count + kLanes;
        const Buffer partial(maps->threads * size);
#pragma omp parallel num_threads(maps->threads)
        {
            const Buffer grads(to.height * grads_row + chunk.row);
            std::fill(grads.get(), grads.get() + to.height * grads_row + chunk.row, 0.0f);
#pragma omp for schedule(static)
            for (std::int64_t thread = 0; thread < maps->threads; ++thread) {
                float* const sums = partial.get() + thread * size;
                std::fill(sums, sums + size, 0.0f);
                for (std::int64_t frame = thread; frame < maps->frames; frame += maps->threads) {
                    const float* const from = grad_outputs + frame * to.height * to.width * maps->out_channels;
                    each_part(*maps, to, chunk, [&](auto y, auto x, auto begin, auto length) {
                        float* const into = grads.get() + y * grads_row + (x + to.margin_width) * chunk.count;
                        std::memcpy(into, from + begin, length * sizeof(float));
                    });
                    gradients_of_frame(*maps, to, chunk, *spikes, sorted, frame, grads.get(), grads_row, sums);
                }
            }
            unpack(*maps, chunk, partial.get(), maps->threads, size, gradient);
        }
    }
}
}
