"""Settings of runs that tests make up; needs no torch."""

from collections.abc import Sequence
from typing import Any

from runner.configuration.settings import Settings

BATCH = 4
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "scale": 1.0,
    "selection": "last",
    "evaluation_batch": 8,
    "evaluation_batches": None,
    "device": "cpu",
    "precision": "float32",
    "threads": None,
    "cache_dir": None,
    "baseline_run": None,
    "published": None,
    "checkpoint_minutes": 5.0,
    "figures": False,
    "plugins": {"packages": "1.0"},
    "method": {"_target_": "runner.methods.toy.Toy", "batch_size": BATCH, "epochs": 2},
    "dataset": {"_target_": "runner.datasets.toy.Images", "root": "/data", "side": 8, "tasks": ["animal", "distance"]},
    "model": {"_target_": "runner.models.toy.Net", "width": 3},
    "choices": {"method": "course", "dataset": "images", "model": "net"},
    "given": (),
}


def settings(*, tasks: Sequence[str] = ("animal", "distance"), **changes: Any) -> Settings:
    """Settings with some changed; groups and choices key by key."""
    values = {**SETTINGS, "dataset": {**SETTINGS["dataset"], "tasks": list(tasks)}}
    for key, value in changes.items():
        values[key] = {**values[key], **value} if isinstance(values[key], dict) else value
    return Settings(**values)
