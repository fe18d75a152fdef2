"""Triton kernels for what stands between two convolutions: batch normalisation, ReLU, sums, biases and
pooling.

torch runs each of these as kernels of their own. In bfloat16 with the channels last, reading and writing the
maps for them takes most of a step; here a map is read as seldom as the mathematics allows. A map is taken as
a matrix: a row for each pixel of each image, a column for each channel. Values are float32 in registers,
whatever they are in memory. Sums are added up in a fixed order, so that equal inputs give equal bits.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCKS = {"ROWS": 64, "COLUMNS": 64, "num_warps": 8}
"""Rows and columns that a program takes at a time, and its threads by 32."""

SUM_BLOCKS = {"SPLITS": 128, "COLUMNS": 16, "num_warps": 4}
"""The same of a program that adds up what splits have written."""

PROGRAMS = 528
"""Programs among which a sum over all rows is split: four for each of an H100's 132 multiprocessors. It
decides the order of the additions, and so it is the same on every device."""


@triton.jit
def _tile(start, column, rows, channels, stride, BLOCK: tl.constexpr):
    """Places of ``BLOCK`` rows from ``start`` on in a matrix of ``stride`` values a row, and which of them it
    holds."""
    row = tl.arange(0, BLOCK)
    inside = (start + row < rows)[:, None] & (column < channels)[None, :]
    # A large matrix has more than 2³¹ values, a tile never.
    return start.to(tl.int64) * stride + (row[:, None] * stride + column[None, :]), inside


@triton.jit
def _added(partial, splits, channels, column, WHICH: tl.constexpr, OF: tl.constexpr, BLOCK: tl.constexpr):
    """Sum over all splits of row ``WHICH`` of the ``OF`` rows that each has written to ``partial``."""
    total = tl.zeros((BLOCK, column.shape[0]), tl.float32)
    for start in range(0, splits, BLOCK):
        split = start + tl.arange(0, BLOCK)
        inside = (split < splits)[:, None] & (column < channels)[None, :]
        place = (OF * split[:, None] + WHICH) * channels + column[None, :]
        total += tl.load(partial + place, mask=inside, other=0.0)
    return tl.sum(total, 0)


@triton.jit
def _moments(x, partial, rows, channels, stride, split_rows, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Each split's sums of x - x₀ and (x - x₀)²; x₀ is the first row, so that a large mean drowns no small
    variance."""
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    known = column < channels
    shift = tl.load(x + column, mask=known, other=0.0).to(tl.float32)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    squares = tl.zeros((ROWS, COLUMNS), tl.float32)
    first = tl.program_id(1) * split_rows
    for offset in range(0, split_rows, ROWS):
        start = first + offset
        place, inside = _tile(start, column, rows, channels, stride, ROWS)
        value = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
        apart = tl.where(inside, value - shift[None, :], 0.0)
        total += apart
        squares += apart * apart
    out = partial + tl.program_id(1) * 2 * channels + column
    tl.store(out, tl.sum(total, 0), mask=known)
    tl.store(out + channels, tl.sum(squares, 0), mask=known)


@triton.jit
def _statistics(
    x,
    partial,
    mean,
    inverse,
    unbiased,
    rows,
    channels,
    splits,
    epsilon,
    SPLITS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Mean, inverse standard deviation and unbiased variance of each channel from the splits' sums."""
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    known = column < channels
    apart = _added(partial, splits, channels, column, 0, 2, SPLITS) / rows
    squares = _added(partial, splits, channels, column, 1, 2, SPLITS) / rows
    average = tl.load(x + column, mask=known, other=0.0).to(tl.float32) + apart
    variance = tl.maximum(squares - apart * apart, 0.0)
    tl.store(mean + column, average, mask=known)
    tl.store(inverse + column, 1.0 / tl.sqrt(variance + epsilon), mask=known)
    tl.store(unbiased + column, variance * (rows / (rows - 1.0)), mask=known)


@triton.jit
def _normalise(
    x,
    residual,
    out,
    mean,
    inverse,
    weight,
    bias,
    rows,
    channels,
    x_stride,
    residual_stride,
    ADD: tl.constexpr,
    RELU: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """(x - mean) · inverse · weight + bias, plus a residual, and of that the positive part."""
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    known = column < channels
    start = tl.program_id(0) * ROWS
    place, inside = _tile(start, column, rows, channels, x_stride, ROWS)
    average = tl.load(mean + column, mask=known, other=0.0)
    scale = tl.load(inverse + column, mask=known, other=0.0) * tl.load(weight + column, mask=known, other=0.0)
    added = tl.load(bias + column, mask=known, other=0.0)
    value = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
    value = (value - average[None, :]) * scale[None, :] + added[None, :]
    if ADD:
        place, inside = _tile(start, column, rows, channels, residual_stride, ROWS)
        value += tl.load(residual + place, mask=inside, other=0.0).to(tl.float32)
    if RELU:
        value = tl.maximum(value, 0.0)
    place, inside = _tile(start, column, rows, channels, channels, ROWS)
    tl.store(out + place, value.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _gradient_sums(
    gradient,
    x,
    out,
    passed,
    partial,
    mean,
    inverse,
    weight,
    bias,
    rows,
    channels,
    gradient_stride,
    x_stride,
    split_rows,
    ADD: tl.constexpr,
    RELU: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Each split's sums of g and g · x̂, where g is the gradient behind the ReLU; with a residual g is its
    gradient."""
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    known = column < channels
    average = tl.load(mean + column, mask=known, other=0.0)
    deviation = tl.load(inverse + column, mask=known, other=0.0)
    scale = deviation * tl.load(weight + column, mask=known, other=0.0)
    added = tl.load(bias + column, mask=known, other=0.0)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    products = tl.zeros((ROWS, COLUMNS), tl.float32)
    first = tl.program_id(1) * split_rows
    for offset in range(0, split_rows, ROWS):
        start = first + offset
        place, inside = _tile(start, column, rows, channels, gradient_stride, ROWS)
        g = tl.load(gradient + place, mask=inside, other=0.0).to(tl.float32)
        place, inside = _tile(start, column, rows, channels, x_stride, ROWS)
        apart = tl.load(x + place, mask=inside, other=0.0).to(tl.float32) - average[None, :]
        place, inside = _tile(start, column, rows, channels, channels, ROWS)
        if ADD:
            g = tl.where(tl.load(out + place, mask=inside, other=0.0) > 0, g, 0.0)
            tl.store(passed + place, g.to(passed.dtype.element_ty), mask=inside)
        elif RELU:
            # What was passed on was positive: sooner computed again than read.
            g = tl.where(apart * scale[None, :] + added[None, :] > 0, g, 0.0)
        total += g
        products += g * apart * deviation[None, :]
    sums = partial + tl.program_id(1) * 2 * channels + column
    tl.store(sums, tl.sum(total, 0), mask=known)
    tl.store(sums + channels, tl.sum(products, 0), mask=known)


@triton.jit
def _column_sums(
    partial, first, second, channels, splits, TWO: tl.constexpr, SPLITS: tl.constexpr, COLUMNS: tl.constexpr
):
    """Sums over all splits of the one row, or of each of the two rows, that each has written to
    ``partial``."""
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    if TWO:
        tl.store(
            first + column, _added(partial, splits, channels, column, 0, 2, SPLITS), mask=column < channels
        )
        tl.store(
            second + column, _added(partial, splits, channels, column, 1, 2, SPLITS), mask=column < channels
        )
    else:
        tl.store(
            first + column, _added(partial, splits, channels, column, 0, 1, SPLITS), mask=column < channels
        )


@triton.jit
def _normalise_gradient(
    gradient,
    x,
    out,
    mean,
    inverse,
    weight,
    bias,
    bias_gradient,
    weight_gradient,
    rows,
    channels,
    gradient_stride,
    x_stride,
    out_stride,
    RELU: tl.constexpr,
    ADD: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Gradient of x from g (``gradient``, behind the ReLU if ``RELU``) and its two sums; added to ``out`` if
    ``ADD``."""
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    known = column < channels
    start = tl.program_id(0) * ROWS
    average = tl.load(mean + column, mask=known, other=0.0)
    deviation = tl.load(inverse + column, mask=known, other=0.0)
    scale = deviation * tl.load(weight + column, mask=known, other=0.0)
    added = tl.load(bias + column, mask=known, other=0.0)
    mean_g = tl.load(bias_gradient + column, mask=known, other=0.0) / rows
    mean_product = tl.load(weight_gradient + column, mask=known, other=0.0) / rows * deviation
    place, inside = _tile(start, column, rows, channels, gradient_stride, ROWS)
    g = tl.load(gradient + place, mask=inside, other=0.0).to(tl.float32)
    place, inside = _tile(start, column, rows, channels, x_stride, ROWS)
    apart = tl.load(x + place, mask=inside, other=0.0).to(tl.float32) - average[None, :]
    if RELU:
        g = tl.where(apart * scale[None, :] + added[None, :] > 0, g, 0.0)
    value = scale[None, :] * (g - mean_g[None, :] - apart * mean_product[None, :])
    place, inside = _tile(start, column, rows, channels, out_stride, ROWS)
    if ADD:
        value += tl.load(out + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + place, value.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _bias_relu(x, bias, out, rows, channels, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The positive part of x + bias."""
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    place, inside = _tile(tl.program_id(0) * ROWS, column, rows, channels, channels, ROWS)
    added = tl.load(bias + column, mask=column < channels, other=0.0)
    value = tl.load(x + place, mask=inside, other=0.0).to(tl.float32) + added[None, :]
    tl.store(out + place, tl.maximum(value, 0.0).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _bias_relu_gradient(
    gradient,
    out,
    passed,
    partial,
    rows,
    channels,
    gradient_stride,
    split_rows,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """The gradient where the output is positive, and each split's sum of it."""
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    first = tl.program_id(1) * split_rows
    for offset in range(0, split_rows, ROWS):
        start = first + offset
        place, inside = _tile(start, column, rows, channels, gradient_stride, ROWS)
        g = tl.load(gradient + place, mask=inside, other=0.0).to(tl.float32)
        place, inside = _tile(start, column, rows, channels, channels, ROWS)
        g = tl.where(tl.load(out + place, mask=inside, other=0.0) > 0, g, 0.0)
        tl.store(passed + place, g.to(passed.dtype.element_ty), mask=inside)
        total += g
    tl.store(partial + tl.program_id(1) * channels + column, tl.sum(total, 0), mask=column < channels)


@triton.jit
def _box(x, out, rows, channels, height, width, stride, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Ninth part of the sum of each 3×3 neighbourhood, in which what is beyond the edge counts as zero."""
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    start = tl.program_id(0) * ROWS
    row = start + tl.arange(0, ROWS)
    down, right = row // width % height, row % width
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for dy in tl.static_range(-1, 2):
        for dx in tl.static_range(-1, 2):
            inside = (down + dy >= 0) & (down + dy < height) & (right + dx >= 0) & (right + dx < width)
            inside = (inside & (row < rows))[:, None] & (column < channels)[None, :]
            place = (row + dy * width + dx).to(tl.int64)[:, None] * stride + column[None, :]
            total += tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
    place, inside = _tile(start, column, rows, channels, channels, ROWS)
    tl.store(out + place, (total / 9).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _max_pool(
    x,
    out,
    taken,
    rows,
    channels,
    height,
    width,
    out_height,
    out_width,
    stride,
    KERNEL: tl.constexpr,
    STEP: tl.constexpr,
    PADDING: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """The largest value of each window, and which of its places holds it: the first of equals."""
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    start = tl.program_id(0) * ROWS
    row = start + tl.arange(0, ROWS)
    image = row // (out_height * out_width)
    top, left = row // out_width % out_height * STEP - PADDING, row % out_width * STEP - PADDING
    best = tl.full((ROWS, COLUMNS), float("-inf"), tl.float32)
    which = tl.zeros((ROWS, COLUMNS), tl.int32)
    for dy in tl.static_range(KERNEL):
        for dx in tl.static_range(KERNEL):
            y, z = top + dy, left + dx
            inside = (row < rows) & (y >= 0) & (y < height) & (z >= 0) & (z < width)
            place = ((image * height + y) * width + z).to(tl.int64)[:, None] * stride + column[None, :]
            inside = inside[:, None] & (column < channels)[None, :]
            value = tl.load(x + place, mask=inside, other=float("-inf")).to(tl.float32)
            # A value that is no number is passed on, as torch does.
            larger = (value > best) | (value != value)
            best = tl.where(larger, value, best)
            which = tl.where(larger, dy * KERNEL + dx, which)
    place, inside = _tile(start, column, rows, channels, channels, ROWS)
    tl.store(out + place, best.to(out.dtype.element_ty), mask=inside)
    tl.store(taken + place, which.to(tl.uint8), mask=inside)


@triton.jit
def _max_pool_gradient(
    gradient,
    taken,
    out,
    rows,
    channels,
    height,
    width,
    out_height,
    out_width,
    stride,
    KERNEL: tl.constexpr,
    STEP: tl.constexpr,
    PADDING: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Each place's sum of the gradients of the windows that took it."""
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    start = tl.program_id(0) * ROWS
    row = start + tl.arange(0, ROWS)
    image = row // (height * width)
    down, right = row // width % height + PADDING, row % width + PADDING
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for dy in tl.static_range(KERNEL):
        for dx in tl.static_range(KERNEL):
            y, z = (down - dy) // STEP, (right - dx) // STEP
            inside = (row < rows) & (down >= dy) & (right >= dx) & (y < out_height) & (z < out_width)
            inside = inside & ((down - dy) % STEP == 0) & ((right - dx) % STEP == 0)
            place = ((image * out_height + y) * out_width + z).to(tl.int64)[:, None]
            inside = inside[:, None] & (column < channels)[None, :]
            which = tl.load(taken + place * channels + column[None, :], mask=inside, other=255)
            inside = inside & (which == dy * KERNEL + dx)
            total += tl.load(gradient + place * stride + column[None, :], mask=inside, other=0.0).to(
                tl.float32
            )
    place, inside = _tile(start, column, rows, channels, channels, ROWS)
    tl.store(out + place, total.to(out.dtype.element_ty), mask=inside)


def as_matrix(maps: Tensor) -> tuple[Tensor, int]:
    """``maps`` (images, channels, height, width) with the channels last, and the values from one pixel to the
    next.

    A slice of channels of such maps, as the gradient of a concatenation is, is taken as it is; all else is
    copied.
    """
    height, width = maps.shape[2:]
    step = maps.stride(3) if width > 1 else maps.stride(2) if height > 1 else maps.stride(0)
    regular = (height * width * step, 1, width * step, step)
    strides = zip(maps.shape, maps.stride(), regular, strict=True)
    if step < maps.shape[1] or any(size > 1 and given != wanted for size, given, wanted in strides):
        maps, step = maps.contiguous(memory_format=torch.channels_last), maps.shape[1]
    return maps, step


def _shape(maps: Tensor) -> tuple[int, int]:
    """Rows and columns of the matrix."""
    return maps.numel() // maps.shape[1], maps.shape[1]


def _tiles(rows: int, channels: int) -> tuple[int, int]:
    """Programs in both directions that take each tile of the matrix once."""
    return triton.cdiv(rows, BLOCKS["ROWS"]), triton.cdiv(channels, BLOCKS["COLUMNS"])


def _splits(rows: int, channels: int) -> tuple[int, int]:
    """Splits of a sum over all rows, and the rows in each."""
    wanted = max(1, PROGRAMS // triton.cdiv(channels, BLOCKS["COLUMNS"]))
    split_rows = triton.cdiv(triton.cdiv(rows, wanted), BLOCKS["ROWS"]) * BLOCKS["ROWS"]
    return triton.cdiv(rows, split_rows), split_rows


def _sum_grid(channels: int) -> tuple[int]:
    return (triton.cdiv(channels, SUM_BLOCKS["COLUMNS"]),)


def _like(maps: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Empty maps of that shape, the channels last."""
    return torch.empty(
        maps.shape, dtype=dtype or maps.dtype, device=maps.device, memory_format=torch.channels_last
    )


def channel_statistics(x: Tensor, epsilon: float, out: Tensor | None = None) -> Tensor:
    """Of each channel of ``x`` mean, inverse standard deviation (biased, with ``epsilon``) and unbiased
    variance.

    Shape (3, channels), float32; written into ``out`` where it is given.
    """
    x, stride = as_matrix(x)
    rows, channels = _shape(x)
    splits, split_rows = _splits(rows, channels)
    partial = torch.empty((splits, 2, channels), dtype=torch.float32, device=x.device)
    if out is None:
        out = torch.empty((3, channels), dtype=torch.float32, device=x.device)
    mean, inverse, unbiased = out
    grid = (triton.cdiv(channels, BLOCKS["COLUMNS"]), splits)
    _moments[grid](x, partial, rows, channels, stride, split_rows, **BLOCKS)
    _statistics[_sum_grid(channels)](
        x, partial, mean, inverse, unbiased, rows, channels, splits, epsilon, **SUM_BLOCKS
    )
    return out


def normalise(
    x: Tensor,
    mean: Tensor,
    inverse: Tensor,
    weight: Tensor,
    bias: Tensor,
    residual: Tensor | None,
    relu: bool,
) -> Tensor:
    """``x`` normalised by channel, scaled and moved, plus ``residual``, and of that the positive part if
    ``relu``."""
    x, x_stride = as_matrix(x)
    added, added_stride = as_matrix(residual) if residual is not None else (x, x_stride)
    rows, channels = _shape(x)
    out = _like(x)
    _normalise[_tiles(rows, channels)](
        *(x, added, out, mean, inverse, weight, bias, rows, channels, x_stride, added_stride),
        ADD=residual is not None,
        RELU=relu,
        **BLOCKS,
    )
    return out


def normalise_gradients(
    gradient: Tensor,
    x: Tensor,
    out: Tensor | None,
    mean: Tensor,
    inverse: Tensor,
    weight: Tensor,
    bias: Tensor,
    relu: bool,
    into: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, weight, bias and residual in :func:`normalise`, where ``gradient`` is that of its
    result.

    ``out``: the result where a residual was added and a ReLU followed; else None, and the last one returned
    is meaningless. ``into``: maps, or a slice of channels of maps, to which the gradient of x is added in
    place.
    """
    gradient, stride = as_matrix(gradient)
    x, x_stride = as_matrix(x)
    rows, channels = _shape(x)
    splits, split_rows = _splits(rows, channels)
    partial = torch.empty((splits, 2, channels), dtype=torch.float32, device=x.device)
    bias_gradient, weight_gradient = torch.empty_like(mean), torch.empty_like(mean)
    passed = _like(x) if out is not None else x
    _gradient_sums[(triton.cdiv(channels, BLOCKS["COLUMNS"]), splits)](
        *(gradient, x, x if out is None else out, passed, partial, mean, inverse, weight, bias),
        *(rows, channels, stride, x_stride, split_rows),
        ADD=out is not None,
        RELU=relu,
        **BLOCKS,
    )
    _column_sums[_sum_grid(channels)](
        partial, bias_gradient, weight_gradient, channels, splits, TWO=True, **SUM_BLOCKS
    )
    if out is not None:
        gradient, stride = passed, channels
    x_gradient, x_gradient_stride = (_like(x), channels) if into is None else as_matrix(into)
    _normalise_gradient[_tiles(rows, channels)](
        *(gradient, x, x_gradient, mean, inverse, weight, bias, bias_gradient, weight_gradient),
        *(rows, channels, stride, x_stride, x_gradient_stride),
        RELU=relu and out is None,
        ADD=into is not None,
        **BLOCKS,
    )
    return x_gradient, weight_gradient, bias_gradient, passed


def bias_relu(x: Tensor, bias: Tensor) -> Tensor:
    """The positive part of ``x`` + ``bias``, the latter by channel."""
    x = x.contiguous(memory_format=torch.channels_last)
    rows, channels = _shape(x)
    out = _like(x)
    _bias_relu[_tiles(rows, channels)](x, bias, out, rows, channels, **BLOCKS)
    return out


def bias_relu_gradients(gradient: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of x and bias in :func:`bias_relu`, whose result is ``out``."""
    gradient, stride = as_matrix(gradient)
    rows, channels = _shape(out)
    splits, split_rows = _splits(rows, channels)
    partial = torch.empty((splits, channels), dtype=torch.float32, device=out.device)
    bias_gradient = torch.empty(channels, dtype=torch.float32, device=out.device)
    passed = _like(out)
    _bias_relu_gradient[(triton.cdiv(channels, BLOCKS["COLUMNS"]), splits)](
        *(gradient, out, passed, partial, rows, channels, stride, split_rows), **BLOCKS
    )
    _column_sums[_sum_grid(channels)](
        partial, bias_gradient, bias_gradient, channels, splits, TWO=False, **SUM_BLOCKS
    )
    return passed, bias_gradient


def box(x: Tensor) -> Tensor:
    """Average pooling of 3×3 in steps of one, zeros beyond the edge counted in; it is its own gradient as
    well."""
    x, stride = as_matrix(x)
    rows, channels = _shape(x)
    out = _like(x)
    _box[_tiles(rows, channels)](x, out, rows, channels, *x.shape[2:], stride, **BLOCKS)
    return out


def max_pool(x: Tensor, kernel: int, step: int, padding: int) -> tuple[Tensor, Tensor]:
    """Max pooling in square windows of ``kernel`` pixels; the result, and which place of each window it is,
    uint8."""
    x, stride = as_matrix(x)
    images, channels, height, width = x.shape
    out_height, out_width = ((side + 2 * padding - kernel) // step + 1 for side in (height, width))
    out = torch.empty(
        (images, channels, out_height, out_width),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last,
    )
    taken = _like(out, torch.uint8)
    rows = images * out_height * out_width
    _max_pool[_tiles(rows, channels)](
        *(x, out, taken, rows, channels, height, width, out_height, out_width, stride),
        *(kernel, step, padding),
        **BLOCKS,
    )
    return out, taken


def max_pool_gradient(
    gradient: Tensor, taken: Tensor, height: int, width: int, kernel: int, step: int, padding: int
) -> Tensor:
    """Gradient of x, of ``height``×``width`` pixels, in :func:`max_pool`."""
    gradient, stride = as_matrix(gradient)
    images, channels, out_height, out_width = gradient.shape
    out = torch.empty(
        (images, channels, height, width),
        dtype=gradient.dtype,
        device=gradient.device,
        memory_format=torch.channels_last,
    )
    rows = images * height * width
    _max_pool_gradient[_tiles(rows, channels)](
        *(gradient, taken, out, rows, channels, height, width, out_height, out_width, stride),
        *(kernel, step, padding),
        **BLOCKS,
    )
    return out
