# mypy: disable-error-code="no-untyped-def, untyped-decorator"
"""GPU kernels of `runner.spiking.triton`: a program owns some neurons and walks all steps with their states in registers.

Neurons lie in images of `height` x `width` with `channels` innermost. A program makes `block` outputs out of (block,
pool * pool) neurons, the windows that are summed; without pooling the image is one row of neurons and a window is one.
`drive` (T,) multiplies the current, which has one step where it is `constant`. `rule` is one of `Walk`.
"""

import triton
import triton.language as tl

from runner.spiking.rules import Walk

RELEASED, SURROGATE, PUBLISHED = (tl.constexpr(int(walk)) for walk in (Walk.RELEASED, Walk.SURROGATE, Walk.PUBLISHED))


@triton.jit
def _places(height, width, channels, pool: tl.constexpr, block: tl.constexpr):
    """Outputs (block,) of this program and the neurons (block, pool * pool) of their windows."""
    out = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    member = tl.arange(0, pool * pool)[None, :]
    channel = out % channels
    column = (out // channels) % (width // pool)
    line = out // (channels * (width // pool))  # counts the pooled rows of all images
    row = line[:, None] * pool + member // pool
    return out, (row * width + column[:, None] * pool + member % pool) * channels + channel[:, None]


@triton.jit
def _advance(current, drive, t, mem, syn, inside, leak, rate, threshold):
    """One step of every neuron: membrane before the reset, its change, the spikes, and the two states after."""
    change = mem * (-leak) + tl.load(current, inside, 0.0).to(tl.float32) * tl.load(drive + t)
    membrane = mem + change
    spikes = membrane > threshold
    syn = syn + (tl.where(spikes, 1.0, 0.0) - syn) * rate
    return membrane, change, spikes, tl.where(spikes, 0.0, membrane), syn


@triton.jit
def forward(
    current, drive, scale, psc, count, steps, neurons, outputs, height, width, channels, leak, rate, threshold, weight,
    pool: tl.constexpr, constant: tl.constexpr, scaled: tl.constexpr, counted: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """Postsynaptic currents of all steps; adds the number of spikes to `count` where `counted`."""
    out, neuron = _places(height, width, channels, pool, block)
    keep = out < outputs
    inside = keep[:, None] & (neuron >= 0)
    current += neuron
    psc += out
    mem = tl.zeros((block, pool * pool), tl.float32)
    syn = tl.zeros((block, pool * pool), tl.float32)
    factor = tl.load(scale + out, keep, 0.0) if scaled else 1.0
    total = tl.zeros((block, pool * pool), tl.int32)
    for t in range(steps):
        _membrane, _change, spikes, mem, syn = _advance(current, drive, t, mem, syn, inside, leak, rate, threshold)
        tl.store(psc, (tl.sum(syn, 1) * weight * factor).to(psc.dtype.element_ty), keep)
        if counted:
            total += (spikes & inside).to(tl.int32)
        if not constant:
            current += neurons
        psc += outputs
    if counted:
        tl.atomic_add(count, tl.sum(tl.sum(total, 1), 0).to(tl.int64))


@triton.jit
def _slope(membrane, threshold):
    z = tl.exp(tl.minimum(tl.maximum((threshold - membrane) / 0.2, -8.0), 8.0))
    return z / ((1.0 + z) * (1.0 + z) * 0.2)


@triton.jit(do_not_specialize=["steps"])  # a 1 would become a constant, which has no .to()
def backward(
    current, drive, scale, firing, grad_psc, grad_current, factors, carries,
    steps, neurons, outputs, height, width, channels, leak, rate, threshold, weight,
    pool: tl.constexpr, constant: tl.constexpr, scaled: tl.constexpr, rule: tl.constexpr, reset: tl.constexpr,
    block: tl.constexpr,
):  # fmt: skip
    """dL/d(current) of all steps; `factors` and `carries` (steps, neurons) float32 are its scratch memory.

    On the way there `factors` takes what multiplies the filtered gradient (RELEASED: negative where it is the surrogate, which
    decides alone) and `carries` what multiplies the gradient of the neuron's next spike.
    """
    out, neuron = _places(height, width, channels, pool, block)
    keep = out < outputs
    inside = keep[:, None] & (neuron >= 0)
    mem = tl.zeros((block, pool * pool), tl.float32)
    syn = tl.zeros((block, pool * pool), tl.float32)
    trusted = tl.load(firing).to(tl.int1)
    current += neuron
    factors += neuron
    carries += neuron
    for t in range(steps):
        membrane, change, spikes, mem, syn = _advance(current, drive, t, mem, syn, inside, leak, rate, threshold)
        slope = _slope(membrane, threshold)
        if rule == RELEASED:
            direct = tl.where(syn < 0.25 * rate, -slope, 0.0)
            factor = tl.where(spikes, tl.minimum(1.0 / change, 8.0), direct)
        elif rule == SURROGATE:
            factor = -slope
        else:
            tl.static_assert(rule == PUBLISHED, "no such rule")
            factor = tl.where(trusted, tl.where(spikes, tl.minimum(1.0 / change, 10.0), 0.0), slope)
        tl.store(factors, factor, inside)
        tl.store(carries, tl.where(spikes, membrane * leak, 0.0), inside)
        if not constant:
            current += neurons
        factors += neurons
        carries += neurons
    tl.debug_barrier()
    _walk_back(drive, scale, grad_psc, grad_current, factors, carries, out, neuron, keep, inside, steps, neurons, outputs,
               leak, rate, weight, pool, constant, scaled, rule, reset, block)  # fmt: skip


@triton.jit
def _walk_back(
    drive, scale, grad_psc, grad_current, factors, carries, out, neuron, keep, inside, steps, neurons, outputs,
    leak, rate, weight,
    pool: tl.constexpr, constant: tl.constexpr, scaled: tl.constexpr, rule: tl.constexpr, reset: tl.constexpr,
    block: tl.constexpr,
):  # fmt: skip
    """The second half of `backward`; `factors` and `carries` point behind their last step."""
    later = tl.zeros(
        (block, pool * pool), tl.float32
    )  # RELEASED: theta; PUBLISHED: the decayed error at the next spike
    filtered = tl.zeros((block, pool * pool), tl.float32)
    total = tl.zeros((block, pool * pool), tl.float32)
    scaling = tl.load(scale + out, keep, 0.0) * weight if scaled else weight
    grad_psc += (steps - 1).to(tl.int64) * outputs + out
    grad_current += neuron
    if not constant:
        grad_current += (steps - 1).to(tl.int64) * neurons
    for back in range(steps):
        factors -= neurons
        carries -= neurons
        error = (tl.load(grad_psc, keep, 0.0).to(tl.float32) * scaling)[:, None]
        factor = tl.load(factors, inside, 0.0)
        carry = tl.load(carries, inside, 0.0)
        if rule == PUBLISHED:
            through = error + carry * later if reset else error + later * 0.0
            later = tl.where(carry > 0, error, (1.0 - leak) * later)
            filtered += (through - filtered) * rate
            grad = factor * filtered
        else:
            filtered += (error - filtered) * rate
            through = filtered + later * carry if reset else filtered
            later = tl.where(factor > 0, factor * through, (1.0 - leak) * later)
            grad = tl.where(factor >= 0, later, -factor * filtered)  # a current that is not a number ends here
        if constant:
            total += tl.load(drive + steps - 1 - back) * grad
        else:
            tl.store(grad_current, grad.to(grad_current.dtype.element_ty), inside)
            grad_current -= neurons
        grad_psc -= outputs
    if constant:
        tl.store(grad_current, total.to(grad_current.dtype.element_ty), inside)


@triton.jit(do_not_specialize=["steps"])
def psc_filter(values, filtered, steps, neurons, rate, reverse: tl.constexpr, block: tl.constexpr):
    """The synapse's response along time, or backwards along it."""
    place = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = place < neurons
    if reverse:
        place += (steps - 1).to(tl.int64) * neurons
    values += place
    filtered += place
    psc = tl.zeros((block,), tl.float32)
    for _ in range(steps):
        psc += (tl.load(values, inside, 0.0).to(tl.float32) - psc) * rate
        tl.store(filtered, psc.to(filtered.dtype.element_ty), inside)
        values += -neurons if reverse else neurons
        filtered += -neurons if reverse else neurons
