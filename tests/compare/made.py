"""Folders as finished runs leave them, of which a test gives the numbers; nothing is trained."""

import json
from pathlib import Path
from typing import Any

import yaml

from runner.configuration.identity import digest
from tests.asked import settings

COSTS = {"parameters": 1_500_000, "macs": 2_000_000}


def made(
    path: Path,
    accuracy: float | None,
    *,
    method: str = "course",
    seed: int = 0,
    error: float = 0.5,
    samples: int = 240,
    changes: dict[str, Any] | None = None,
    **summary: Any,
) -> Path:
    """A run whose predictor `whole` has this accuracy of animals and this error of distances. `changes` are settings."""
    changes = dict(changes or {})
    choices = {"method": method, **changes.pop("choices", {})}
    asked = settings(seed=seed, choices=choices, **changes)
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump(asked.recorded(), sort_keys=False))
    content = {
        "status": "finished",
        "digest": digest(asked),
        "name": path.name,
        "choices": asked.choices,
        "seed": seed,
        "predictor": "whole",
        "chosen": {"whole": {"stage": "main", "step": 20, "score": 0.1}},
        "metrics": {
            "test/whole/animal/top1": accuracy,
            "test/whole/animal/loss": 1.0,
            "test/whole/distance/abs": error,
        },
        "network": {"metrics": {"animal": {"top1": True}, "distance": {"abs": False}}},
        "budget": {"samples": samples, "before": {}, "batch_size": 4},
        "costs": {"whole": COSTS},
        "seconds": 12.3456,
    }
    (path / "summary.json").write_text(json.dumps({**content, **summary}))
    return path
