"""Times AdaShare's training steps beside the bare convolutions and the official code, and prints the ratios.

A step is forward, task losses, backward, the loop's gradient norm and non-finite check, and the optimizer; ResNet-18 at
full width, batch 2, on the CPU. Variants: `ours`; `floor`, the convolutions of our step alone, forward and backward, as
torch computes them; `official`, where RUNNER_OFFICIAL_ADASHARE names a checkout of sunxm2357/AdaShare.
A case is <tasks>t_<crop>_<kind>: 2 tasks are segmentation and normals, the third is depth; kinds are warm (hard sharing),
w<n> and a<n> (weight and policy steps of the search with the last n blocks open) and retrain (the published policies).

    RUNNER_OFFICIAL_ADASHARE=~/AdaShare python scripts/bench/adashare.py --case 2t_129_w2 2t_129_a2 --rounds 5
"""

import argparse
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from turns import in_turn, processor, table

DEFAULT = (
    *(f"2t_129_{kind}" for kind in ("warm", "w2", "w8", "a2", "a8", "retrain")),
    *("3t_129_w2", "3t_129_a8"),
    *(f"2t_193_{kind}" for kind in ("warm", "w2", "retrain")),
)


class Case(NamedTuple):
    """One row of measurements."""

    tasks: int
    size: tuple[int, int]  # (H, W) of a crop
    kind: str  # warm, w, a or retrain
    open: int  # blocks that follow the policy in w and a steps
    batch: int = 2


def case(name: str) -> Case:
    """The case of a name like 2t_129_w2; ValueError where it is none."""
    found = re.fullmatch(r"([23])t_(\d+)_(warm|retrain|[wa](?=[1-8]))([1-8]?)", name)
    if not found:
        raise ValueError(name)
    return Case(int(found[1]), (int(found[2]), int(found[2])), found[3], int(found[4] or 8))


def main() -> None:
    """Run the variants in turn and print a table per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", default=DEFAULT)
    parser.add_argument("--rounds", type=int, default=5, help="timed steps of each variant")
    parser.add_argument("--variants", nargs="+", default=["official", "ours", "floor"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu-time", action="store_true", help="of one thread, where other jobs disturb the wall's")
    options = parser.parse_args()
    clock, threads = (time.process_time, 1) if options.cpu_time else (time.perf_counter, options.threads)
    import adashare_variants

    print(processor())
    for name in options.case:
        builders = {variant: partial(adashare_variants.BUILDERS[variant], case(name)) for variant in options.variants}
        timings = in_turn(builders, rounds=options.rounds, warmup=2, threads=threads, clock=clock)
        print(f"\n{name}\n{table(timings, 'ours')}", flush=True)


if __name__ == "__main__":
    main()
