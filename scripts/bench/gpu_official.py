"""The official codes' steps on a GPU, on random data of the size of gpu.py's recipes, each checkout in a process of its own."""

import os
from collections.abc import Callable
from functools import partial

import adashare_variants
import ke_variants
import torch
import tsslbp_peers
from adashare import Case as AdaShareCase
from ke import Case as EvolutionCase
from tsslbp import NETWORKS, Network
from turns import Step, in_turn

DEVICE = "cuda"
STEPS: dict[str, dict[str, Callable[[], Step]]] = {  # recipe of gpu.py -> kind of its stages -> builder
    "adashare": {
        name: partial(adashare_variants.official, AdaShareCase(2, (240, 320), kind, open=8, batch=16), DEVICE)
        for name, kind in (("warmup", "warm"), ("weights", "w"), ("policy", "a"), ("retraining", "retrain"))
    },
    "ke": {"generation": partial(ke_variants.official, EvolutionCase("train", 32, 128, 0.5, 1), DEVICE)},
    "tsslbp_cnn": {"training": partial(tsslbp_peers.official, NETWORKS["fashion"], DEVICE)},
    "tsslbp_mlp": {
        "training": partial(tsslbp_peers.official, Network("snn_mlp", 100, 5, (1, 28, 28), "kernel"), DEVICE)
    },
}
CHECKOUTS = {
    "adashare": "RUNNER_OFFICIAL_ADASHARE",
    "ke": "RUNNER_OFFICIAL_KE",
    "tsslbp_cnn": "RUNNER_OFFICIAL_TSSLBP",
    "tsslbp_mlp": "RUNNER_OFFICIAL_TSSLBP",
}


def milliseconds(recipe: str, rounds: int) -> dict[str, float]:
    """The fastest official step of each kind of the recipe's stages, in ms; empty where no checkout is named."""
    if not os.environ.get(CHECKOUTS.get(recipe, "")):
        return {}
    return {
        kind: in_turn({"official": partial(_waited, builder)}, rounds=rounds, warmup=5, threads=8)["official"].low
        for kind, builder in STEPS[recipe].items()
    }


def _waited(builder: Callable[[], Step]) -> Step:
    step = builder()

    def waited() -> None:
        step()
        torch.cuda.synchronize()

    return waited
