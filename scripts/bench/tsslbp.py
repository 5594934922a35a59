"""Times one training step of TSSL-BP beside the bare convolutions and whatever else is installed, and prints the ratios.

A step is forward, loss, backward, clip_grad_norm_, fused AdamW and the weight clamp. Variants: `ours`; `bfloat16`, ours
with model.gradient_dtype=bfloat16; `stbp`, ours with model.gradient=stbp; `floor`, the same convolutions and products
alone, folded over T, forward and backward; `official`, where RUNNER_OFFICIAL_TSSLBP names a checkout of
stonezwr/TSSL-BP; `spikingjelly`, `snntorch` and `norse` where they can be imported: the same topology with their own
neuron and surrogate gradient, time folded into the batch of every convolution, no clipping and no clamp (equal size, not
equal mathematics). What ours costs
depends on how many neurons fire. Initial weights are multiplied by gains that make as many fire as after epochs on real data
(shares that are not zero after pooling, the output last: MNIST 19, 36, 17, 4 %, Fashion-MNIST 14, 9, 15, 3 %, simulated
N-MNIST 4, 15, 6 %; CIFAR-10 as initialised); --as-initialised leaves the gains out. The shares in the benchmark are said.

The first line names the processor, its vector units, what held torch to fewer, and the form that ours was compiled in. On a
processor with AVX-512, the three variables of the second line give what one without has.

    RUNNER_OFFICIAL_TSSLBP=~/TSSL-BP python scripts/bench/tsslbp.py --networks mnist fashion --rounds 20
    RUNNER_SPIKING=avx2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python scripts/bench/tsslbp.py
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from turns import in_turn, processor, table

VARIANTS = ("official", "ours", "floor", "spikingjelly", "snntorch", "norse")


class Network(NamedTuple):
    """One row of measurements."""

    model: str  # file in conf/model
    batch: int
    steps: int
    shape: tuple[int, int, int]
    loss: Literal["kernel", "count"]
    events: bool = False
    gains: tuple[float, ...] = ()  # factor on the initial weights of each layer
    ink: float = 1.0  # share of an image's pixels that are not background


NETWORKS = {
    "mnist": Network("snn_mnist", 50, 5, (1, 28, 28), "kernel", ink=0.19, gains=(1.14, 8.4, 1.44, 1.22)),
    "fashion": Network("snn_fashion", 50, 5, (1, 28, 28), "kernel", ink=0.5, gains=(0.7, 2.67, 9.74, 1.15)),
    "cifar": Network("snn_cifar", 8, 5, (3, 32, 32), "kernel"),
    "nmnist30": Network("snn_nmnist", 8, 30, (2, 34, 34), "count", events=True, gains=(4.6, 4.22, 0.94)),
    "nmnist100": Network("snn_nmnist", 8, 100, (2, 34, 34), "count", events=True, gains=(4.37, 3.85, 0.78)),
}


def main() -> None:
    """Run the variants in turn and print a table per network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
    parser.add_argument("--rounds", type=int, default=10, help="timed steps of each variant")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--as-initialised", action="store_true", help="without the gains on our initial weights")
    parser.add_argument("--batch", type=int, help="another batch size")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    options = parser.parse_args()
    import tsslbp_peers
    import tsslbp_variants

    from runner.spiking.native.forms import form

    known = tsslbp_variants.BUILDERS | tsslbp_peers.BUILDERS
    print(f"{processor()}; ours in the form {form()}")
    for name in options.networks:
        network = NETWORKS[name]
        network = network._replace(batch=options.batch or network.batch)
        if options.as_initialised:
            network = network._replace(gains=())
        builders = {variant: partial(known[variant], network, options.device) for variant in options.variants}
        timings = in_turn(builders, rounds=options.rounds, warmup=2, threads=options.threads)
        print(f"\n{name}, batch {network.batch}, T {network.steps}\n{table(timings, 'ours')}")
        print(
            f"ours: {1e3 * network.batch / timings['ours'].low:.0f} samples/s; layers give {tsslbp_variants.activity(network)}"
        )


if __name__ == "__main__":
    main()
