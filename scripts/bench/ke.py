"""Times Knowledge Evolution's training step and its slim network beside the official code, and prints the ratios.

ResNet-18 with 100 classes on the CPU. RUNNER_OFFICIAL_KE names a checkout of ahmdtaha/knowledge_evolution; without one
the `official` variants are left out, and the dense network in torch's default layout is what the slim one is held against.
Cases train_<pixels>: a step is forward, label smoothing, backward, the loop's gradient norm and non-finite check, and SGD,
batch 32. Variants: `official`, `ours`, `bfloat16` (ours under autocast) and `floor`, the convolutions of our step alone.
Cases slim_<percent>_b<batch>: one forward pass at 128 pixels. Variants: `official`, the official dense network; `dense`,
ours in the default layout; `slim`, of that split rate, channels last and batch norms folded; `compiled`, `slim` compiled
with its weights frozen.

    RUNNER_OFFICIAL_KE=~/knowledge_evolution python scripts/bench/ke.py --case train_64 slim_50_b32 --rounds 10
"""

import argparse
import re
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from turns import Timing, in_turn, processor, table

DEFAULT = ("train_64", "train_128", "slim_50_b1", "slim_50_b32", "slim_80_b1", "slim_80_b32")
VARIANTS = {
    "train": ("official", "ours", "bfloat16", "floor"),
    "slim": ("official", "dense", "slim", "compiled"),
}


class Case(NamedTuple):
    """One row of measurements."""

    kind: str  # train or slim
    batch: int
    pixels: int
    split_rate: float
    passes: int  # in one timed step; what is printed is one pass


def case(name: str) -> Case:
    """The case of a name like train_64 or slim_50_b32; ValueError where it is none."""
    train, slim = re.fullmatch(r"train_(\d+)", name), re.fullmatch(r"slim_([1-9]\d)_b(\d+)", name)
    if train:
        return Case("train", batch=32, pixels=int(train[1]), split_rate=0.5, passes=1)
    if slim:
        batch = int(slim[2])
        return Case("slim", batch, pixels=128, split_rate=int(slim[1]) / 100, passes=max(1, 16 // batch))
    raise ValueError(name)


def ratios(kind: str, timings: Mapping[str, Timing]) -> list[str]:
    """The figures that matter of a case, of minima and of medians."""
    base = "official" if "official" in timings else "dense"
    wanted = {
        "train": (("ours", "floor"), ("official", "floor"), ("official", "ours"), ("official", "bfloat16")),
        "slim": ((base, "slim"), (base, "compiled")),
    }
    return [
        f"{above} / {below}: {timings[above].low / timings[below].low:.2f} of minima, "
        f"{timings[above].middle / timings[below].middle:.2f} of medians"
        for above, below in wanted[kind]
        if above in timings and below in timings
    ]


def main() -> None:
    """Run the variants in turn and print a table per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", default=DEFAULT)
    parser.add_argument("--rounds", type=int, default=10, help="timed steps of each variant")
    parser.add_argument("--variants", nargs="+", help="the others are left out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu-time", action="store_true", help="of one thread, where other jobs disturb the wall's")
    options = parser.parse_args()
    clock, threads = (time.process_time, 1) if options.cpu_time else (time.perf_counter, options.threads)
    import ke_variants

    print(processor())
    for name in options.case:
        chosen = case(name)
        builders = {
            variant: partial(ke_variants.BUILDERS[chosen.kind][variant], chosen)
            for variant in VARIANTS[chosen.kind]
            if not options.variants or variant in options.variants
        }
        measured = in_turn(builders, rounds=options.rounds, warmup=3, threads=threads, clock=clock)
        timings = {
            variant: Timing([milliseconds / chosen.passes for milliseconds in timing.milliseconds], timing.peak)
            for variant, timing in measured.items()
        }
        print(f"\n{name}\n{table(timings, next(iter(timings)))}", *ratios(chosen.kind, timings), sep="\n", flush=True)


if __name__ == "__main__":
    main()
