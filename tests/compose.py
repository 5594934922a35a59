"""A checked configuration as the command would compose it."""

from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from runner.configuration import files
from runner.configuration.check import checked


def composed(*overrides: str) -> dict[str, Any]:
    OmegaConf.register_new_resolver("run_name", lambda mode: "run", replace=True)
    OmegaConf.register_new_resolver("help_text", lambda: "help", replace=True)
    with initialize_config_dir(str(files.folder()), version_base="1.3"):
        config = compose("config", files.allow_map_entries(list(overrides)), return_hydra_config=True)
    return checked(config, config.hydra.runtime.choices)


# What makes a recipe small enough for a test, by method.
SMALL = {
    "adashare": (
        "method.warmup=3",
        "method.cycles=2",
        "method.retrain=3",
        "method.draws=2",
        "method.weight_steps=2",
        "method.policy_steps=2",
    ),
    "hard_sharing": ("method.steps=4",),
    "single_task": ("method.steps=3",),
    "ke": ("method.generations=2", "method.epochs=1", "method.warmup_epochs=0"),
    "cross_entropy": ("method.epochs=2", "method.warmup_epochs=1"),
    "label_smoothing": ("method.epochs=2", "method.warmup_epochs=1"),
    "long": ("method.epochs=2", "method.warmup_epochs=1"),
    "slim_scratch": ("method.epochs=2", "method.warmup_epochs=1"),
    "tsslbp": ("method.epochs=1",),
}
SMALL_MODEL = {
    "deeplab_small": ("model.widths=[4,4,8,8]", "model.head_width=4"),
    "resnet18": ("model=mobilenet_v2", "model.stem=small"),  # a fifth of the weights to write in every checkpoint
    "snn_mnist": ("model.layers=4C5-P2-20",),
}
ROOMS = ("dataset=rooms", "dataset.size=32", "dataset.train=24", "dataset.test=8", "method.batch_size=4")


def small(method: str, *overrides: str) -> dict[str, Any]:
    """The method on the embedded dataset, all small."""
    model = composed(f"method={method}")["choices"]["model"]
    return composed(f"method={method}", *SMALL[method], *SMALL_MODEL[model], *ROOMS, *overrides)
