// The maps that a convolution reads and makes, as the Python side describes them.

#pragma once

#include "vectors.hpp"

extern "C" {

struct Maps {
    std::int64_t frames, height, width, channels;
    std::int64_t channel;  // distance between a place's channels in the values: 1, or height * width
    std::int64_t out_channels, kernel_height, kernel_width, pad_height, pad_width;
    std::int32_t threads;
};

}

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
