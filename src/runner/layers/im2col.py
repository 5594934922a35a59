"""Convolutions on a CPU as matrix products of unfolded maps (im2col), where the maps have few pixels for their weights.

B images, C channels in, O out, k x k kernels, P output pixels in the whole batch. oneDNN convolutions are tuned for many
pixels; the last stage of a residual network on small images has a handful for millions of weights. Unfolding costs
P * C * k * k numbers, little where P is small.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

FEW = 1 / 1000  # output pixels of the batch for every weight, below which matrix products are faster
LEAST = 128  # output pixels of the batch, below which oneDNN is faster again


class Window(NamedTuple):
    """A kernel's sides, stride and padding (rows, columns)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    def places(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of the output for maps of `size`."""
        sides = zip(size, *self, strict=True)
        rows, columns = ((side + 2 * padding - kernel) // stride + 1 for side, kernel, stride, padding in sides)
        return rows, columns


def unfold(x: Tensor, window: Window) -> Tensor:
    """(B, C, H, W) -> (P, k * k * C): what every output pixel reads, in the order (row, column, channel)."""
    (high, wide), (down, right) = window.kernel, window.stride
    rows, columns = window.places((x.shape[2], x.shape[3]))
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, *[window.padding[1]] * 2, *[window.padding[0]] * 2))
    image, line, pixel, channel = padded.stride()
    shape = (len(x), rows, columns, high, wide, x.shape[1])
    strides = (image, down * line, right * pixel, line, pixel, channel)
    return padded.as_strided(shape, strides).reshape(len(x) * rows * columns, -1)


def fold(columns: Tensor, shape: tuple[int, int, int, int], window: Window) -> Tensor:
    """The adjoint of `unfold`: (P, k * k * C) -> (B, C, H, W) of `shape`, sums over all who read a pixel."""
    images, channels, height, width = shape
    (high, wide), (down, right), (above, before) = window
    rows, across = window.places((height, width))
    parts = columns.view(images, rows, across, high, wide, channels)
    padded = columns.new_zeros(images, height + 2 * above, width + 2 * before, channels)
    for row in range(high):
        for column in range(wide):
            place = padded[:, row : row + down * rows : down, column : column + right * across : right]
            place += parts[:, :, :, row, column]
    return padded[:, above : above + height, before : before + width].permute(0, 3, 1, 2)


class _Convolution(torch.autograd.Function):
    """`F.conv2d` of a window, all three passes as one product each; nothing unfolded is kept for the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.window, ctx.biased = window, bias is not None
        matrix, unfolded = _matrix(weight).t(), unfold(x, window)
        shape = (len(x), len(weight), *window.places((x.shape[2], x.shape[3])))
        # whole, not a view of the product: what follows may work in place, which autograd forbids on views
        output = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        product = output.permute(0, 2, 3, 1).view(-1, len(weight))
        if bias is None:
            torch.mm(unfolded, matrix, out=product)
        else:
            torch.addmm(bias, unfolded, matrix, out=product)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, len(weight))
        for_x = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            for_x = fold(rows @ _matrix(weight), x.shape, ctx.window)
        if ctx.needs_input_grad[1]:
            outputs, channels, high, wide = weight.shape
            product = rows.t() @ unfold(x, ctx.window)
            for_weight = product.view(outputs, high, wide, channels).permute(0, 3, 1, 2)
        if ctx.needs_input_grad[2]:
            for_bias = rows.sum(0)
        return for_x, for_weight, for_bias, None


def _matrix(weight: Tensor) -> Tensor:
    """(O, C, k, k) -> (O, k * k * C), a view of channels-last weights."""
    return weight.permute(0, 2, 3, 1).flatten(1)


class Conv2d(nn.Conv2d):
    """`nn.Conv2d` with its arithmetic and its weights; on a CPU it takes the faster of oneDNN and matrix products.

    Gradients are first-order ones, by `backward`; there are no rules for `torch.func` transforms.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, O, H', W')."""
        if not self._few_pixels(x):
            return super().forward(x)
        operands = [x, self.weight, self.bias]
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            operands = [None if operand is None else operand.to(dtype) for operand in operands]
        output: Tensor = _Convolution.apply(*operands, self._window())
        return output

    def _window(self) -> Window:
        assert not isinstance(self.padding, str)
        (high, wide), (down, right), (above, before) = self.kernel_size, self.stride, self.padding
        return Window((high, wide), (down, right), (above, before))

    def _few_pixels(self, x: Tensor) -> bool:
        if x.dim() != 4 or len(x) == 1:
            return False  # a single image wins nothing by it, and would feel the lines below
        if torch.compiler.is_compiling() or isinstance(self.padding, str):
            return False
        (high, wide), (down, right), (above, before) = self.kernel_size, self.stride, self.padding
        images, _, rows, columns = x.shape
        pixels = images * ((rows + 2 * above - high) // down + 1) * ((columns + 2 * before - wide) // right + 1)
        if not LEAST <= pixels < FEW * self.weight.numel():
            return False
        if x.device.type != "cpu" or self.groups > 1 or self.dilation != (1, 1) or self.padding_mode != "zeros":
            return False
        # to turn the weights would cost more than is won
        return self.weight.is_contiguous(memory_format=torch.channels_last)
