"""Times one training step of TSSL-BP beside the bare convolutions and whatever else is installed, and prints the table.

A step is forward, loss, backward, clip_grad_norm_, fused AdamW and the weight clamp. Every variant runs in a process of its
own and is asked for one step in turn (A B C A B C ...), so that what else the machine does falls on all of them; trust
ratios of minima. Variants: `ours`; `floor`, the same convolutions and products alone, folded over T, forward and backward;
`official`, where TSSLBP_OFFICIAL names a checkout of stonezwr/TSSL-BP; `spikingjelly`, `snntorch` and `norse` where
they can be imported (same topology, their own neuron and surrogate gradient: equal size, not equal mathematics).

    python scripts/bench/tsslbp.py --networks mnist fashion --steps 20
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

VARIANTS = ("official", "ours", "floor", "spikingjelly", "snntorch", "norse")


class Network(NamedTuple):
    """One row of the table."""

    model: str  # file in conf/model
    batch: int
    steps: int
    shape: tuple[int, int, int]
    loss: str
    events: bool = False


NETWORKS = {
    "mnist": Network("snn_mnist", 50, 5, (1, 28, 28), "kernel"),
    "fashion": Network("snn_fashion", 50, 5, (1, 28, 28), "kernel"),
    "cifar": Network("snn_cifar", 8, 5, (3, 32, 32), "kernel"),
    "nmnist30": Network("snn_nmnist", 8, 30, (2, 34, 34), "count", events=True),
    "nmnist100": Network("snn_nmnist", 8, 100, (2, 34, 34), "count", events=True),
}


def main() -> None:
    """Run the variants in turn and print one line each per network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each variant")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    options = parser.parse_args()
    for name in options.networks:
        rows = measure(NETWORKS[name], options)
        print(f"\n{name}: batch {NETWORKS[name].batch}, T {NETWORKS[name].steps}, {options.device}")
        print(table(rows), flush=True)


def measure(network: Network, options: argparse.Namespace) -> dict[str, tuple[list[float], float]]:
    """Milliseconds of every timed step and peak MB over import, by variant; variants that cannot run are said and left out."""
    context = multiprocessing.get_context("spawn")
    workers: dict[str, tuple[Any, Connection]] = {}
    for variant in options.variants:
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, variant, network, options), daemon=True)
        process.start()
        answer = ours.recv()
        if answer != "ready":
            print(f"{variant} left out: {answer}", file=sys.stderr)
            continue
        workers[variant] = (process, ours)
    times: dict[str, list[float]] = {variant: [] for variant in workers}
    for _ in range(options.steps):
        for variant, (_, pipe) in workers.items():
            pipe.send("step")
            times[variant].append(pipe.recv())
    peaks = {}
    for variant, (process, pipe) in workers.items():
        pipe.send("stop")
        peaks[variant] = pipe.recv()
        process.join()
    return {variant: (times[variant], peaks[variant]) for variant in workers}


def table(rows: dict[str, tuple[list[float], float]]) -> str:
    """Minimum and median milliseconds, what they are of ours, and peak memory."""
    lines = [f"{'variant':14}{'min ms':>9}{'median ms':>11}{'/ ours (min)':>14}{'(median)':>10}{'peak MB':>9}"]
    ours = rows.get("ours", next(iter(rows.values())))[0]
    for variant, (times, peak) in rows.items():
        low, middle = min(times), statistics.median(times)
        ratios = f"{low / min(ours):14.2f}{middle / statistics.median(ours):10.2f}"
        lines.append(f"{variant:14}{low:9.1f}{middle:11.1f}{ratios}{peak:9.0f}")
    return "\n".join(lines)


def work(pipe: Connection, variant: str, network: Network, options: argparse.Namespace) -> None:
    """A variant's process: build, warm up, then one timed step per request."""
    import torch

    sys.path.insert(0, str(Path(__file__).parent))
    import tsslbp_variants

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    memory = tsslbp_variants.Memory(options.device)
    try:
        step: Callable[[], object] = tsslbp_variants.BUILDERS[variant](network, options.device)
    except ImportError as error:
        pipe.send(str(error))
        return
    for _ in range(2):
        step()
    memory.start()
    pipe.send("ready")
    while pipe.recv() == "step":
        begun = time.perf_counter()
        step()
        if options.device == "cuda":
            torch.cuda.synchronize()
        pipe.send(1e3 * (time.perf_counter() - begun))
    pipe.send(memory.peak())


if __name__ == "__main__":
    main()
