// The gradient of a convolution's values where little padding goes round them: every output's error is spread over the window
// that it read. Libraries convolve the errors with the turned kernel, and multiply a border of kernel - 1 - padding places.
//
// Maps have their channels innermost. A kernel row reaches one contiguous run of the values' row.

#include <algorithm>
#include <utility>

#include "maps.hpp"

namespace {

// Outputs one above the other, in whose order a value's errors are summed, and vectors of a run: all sums in registers.
constexpr std::int64_t kRows = 4, kVectors = kRegisters == 32 ? 5 : 3;

template <class Call, std::size_t... kIndex>
inline void each(std::index_sequence<kIndex...>, const Call& call) {
    (call(std::integral_constant<std::size_t, kIndex>()), ...);
}

// What is the same for all windows of a kernel row.
struct Row {
    std::int64_t outs, grads_step;    // numbers of an error, and from one output to the one below it
    std::int64_t weights_step;        // from the run of one output channel to the next
    std::int64_t sums_step;           // from a row of the values to the next
};

template <std::size_t kHeight, std::size_t kWidth>
inline void spread(const Row& row, const float* grads, const float* weights, float* sums) {
    constexpr std::make_index_sequence<kHeight> rows;
    constexpr std::make_index_sequence<kWidth> vectors;
    Floats total[kHeight][kWidth];
    each(rows, [&](auto i) { each(vectors, [&](auto v) { total[i][v] = read(sums + i * row.sums_step + v * kLanes); }); });
    for (std::int64_t out = 0; out < row.outs; ++out) {
        const float* const from = weights + out * row.weights_step;
        Floats weight[kWidth];
        each(vectors, [&](auto v) { weight[v] = read(from + v * kLanes); });
        each(rows, [&](auto i) {
            const Floats error = splat(grads[i * row.grads_step + out]);
            each(vectors, [&](auto v) { total[i][v] = multiply_add(error, weight[v], total[i][v]); });
        });
    }
    each(rows, [&](auto i) { each(vectors, [&](auto v) { write(sums + i * row.sums_step + v * kLanes, total[i][v]); }); });
}

// The same for a height from 1 to kHeight and a width from 1 to kWidth.
template <std::size_t kHeight, std::size_t kWidth, class... Rest>
inline void spread_up_to(std::int64_t height, std::int64_t width, const Row& row, const Rest&... rest) {
    if constexpr (kHeight > 1)
        if (height < static_cast<std::int64_t>(kHeight)) return spread_up_to<kHeight - 1, kWidth>(height, width, row, rest...);
    if constexpr (kWidth > 1)
        if (width < static_cast<std::int64_t>(kWidth)) return spread_up_to<kHeight, kWidth - 1>(height, width, row, rest...);
    spread<kHeight, kWidth>(row, rest...);
}

// Weights (out, channel, row, column) as [row][out][column][channel], runs filled up to whole vectors with zeros.
void pack(const Maps& maps, const float* weight, std::int64_t run, float* packed) {
    std::fill(packed, packed + maps.kernel_height * maps.out_channels * run, 0.0f);
    for (std::int64_t out = 0; out < maps.out_channels; ++out)
        for (std::int64_t c = 0; c < maps.channels; ++c)
            for (std::int64_t r = 0; r < maps.kernel_height; ++r)
                for (std::int64_t s = 0; s < maps.kernel_width; ++s)
                    packed[(r * maps.out_channels + out) * run + s * maps.channels + c] = *weight++;
}

}  // namespace

extern "C" {

// grad_values (frames, height, width, channels) from grad_outputs (frames, height', width', out_channels).
void spread_errors(const Maps* maps, const float* grad_outputs, const float* weight, float* grad_values) {
    const Geometry to(*maps);
    const std::int64_t run = whole(maps->kernel_width * maps->channels), line = maps->width * maps->channels;
    const std::int64_t margin = maps->pad_width * maps->channels, outs = maps->out_channels;
    const std::int64_t rows = maps->height + 2 * maps->pad_height, sums_row = whole(line + 2 * margin + kLanes);
    const Row row = {outs, to.width * outs, run, sums_row};
    const Buffer packed(maps->kernel_height * outs * run);
    pack(*maps, weight, run, packed.get());
#pragma omp parallel num_threads(maps->threads)
    {
        const Buffer sums(rows * sums_row + run);
#pragma omp for schedule(static)
        for (std::int64_t frame = 0; frame < maps->frames; ++frame) {
            std::fill(sums.get(), sums.get() + rows * sums_row + run, 0.0f);
            const float* const errors = grad_outputs + frame * to.height * to.width * outs;
            for (std::int64_t y = 0; y < to.height; y += kRows)
                for (std::int64_t r = 0; r < maps->kernel_height; ++r)
                    for (std::int64_t x = 0; x < to.width; ++x)
                        for (std::int64_t j = 0; j < run; j += kVectors * kLanes)
                            spread_up_to<kRows, kVectors>(
                                to.height - y, (run - j) / kLanes, row, errors + (y * to.width + x) * outs,
                                packed.get() + r * outs * run + j,
                                sums.get() + (y + r) * sums_row + x * maps->channels + j);
            for (std::int64_t y = 0; y < maps->height; ++y)
                std::copy_n(sums.get() + (y + maps->pad_height) * sums_row + margin, line,
                            grad_values + (frame * maps->height + y) * line);
        }
    }
}
}
