"""A folder with a network of a finished run: its weights, what they belong to, and how to use them."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.export.compared import ONE_PASS, Costs, compared, cost
from runner.export.formats import Format, in_formats
from runner.export.network import DESCRIPTION, WEIGHTS, Exported, for_inference, stored
from runner.export.readme import described
from runner.export.run import Run
from runner.extras import needed
from runner.models.compiled import Compiled
from runner.models.composed import Executed
from runner.rundir.storage import whole_folder, write_atomically

README = "README.md"


class Written(NamedTuple):
    """What an export came to."""

    folder: Path
    predictor: str
    others: tuple[str, ...]  # predictors of the run that are networks too
    costs: Mapping[str, Costs]


def export(
    run: Path,
    predictor: str | None = None,
    output: Path | None = None,
    plugins: Collection[str] = (),
    formats: Collection[Format] = (),
) -> Written:
    """Write model.safetensors, config.json and README.md of one of a run's networks, by default of the main predictor's.

    `formats` adds model.onnx ("onnx"), a program of torch.export's, model.pt2 ("pt2"), and a graph of spiking neurons, model.nir
    ("nir").

    `output` is by default export/PREDICTOR in the run's folder. It appears as a whole, in place of an earlier export, or not at
    all. `plugins` are the packages beside the runner whose classes may be used. Raises `DataError` where `run` is no finished
    run, `ConfigurationError` where the predictor is no network of its own, where it cannot be written in one of the `formats`,
    where `output` holds anything else, or where a package is missing.
    """
    safetensors = needed("safetensors.torch", "export")
    source = Run(run, plugins)
    name, trained = source.network(predictor)
    folder = run / "export" / name if output is None else output
    _require_replaceable(folder)
    kind, tensors = stored(trained)
    weights = safetensors.save({key: value.detach().contiguous() for key, value in tensors.items()})
    network = for_inference(trained)
    content = {**contents(source, name), **kind, "costs": _costs(source, trained, tensors, len(weights))}
    text = described(content, folder, Exported(network, content, plugins).tasks, formats)
    files = {
        WEIGHTS: weights,
        DESCRIPTION: (json.dumps(content, indent=2) + "\n").encode(),
        README: text.encode(),
        **_in_other_formats(source, network, formats),
    }
    with whole_folder(folder) as fresh:
        for file, data in files.items():
            write_atomically(fresh / file, data)
    return Written(folder, name, tuple(other for other in source.networks if other != name), content["costs"])


def _in_other_formats(source: Run, network: nn.Module, formats: Collection[Format]) -> dict[str, bytes]:
    if not formats:
        return {}
    made = in_formats(network, source.evaluated(), source.summary["network"]["axis"], formats)
    return {f"model.{each}": content for each, content in made.items()}


def contents(source: Run, predictor: str) -> dict[str, Any]:
    """What config.json holds of a network of a run, but for its form and its costs."""
    summary, model = source.summary, source.settings.recorded()["model"]
    files = {key for key, rule in model.get("_rules_", {}).items() if "file" in rule.split(" | ")}  # that it began with
    return {
        "run": source.folder.path.resolve().name,
        "predictor": predictor,
        "model": {key: value for key, value in model.items() if key not in files},
        **summary["network"],
        "evaluated": list(source.evaluated().shape),
        "data": summary["data"],
    }


def _costs(source: Run, trained: nn.Module, tensors: Mapping[str, Tensor], size: int) -> Mapping[str, Costs]:
    """What a network costs, its `tensors` being of `size` bytes on disk; with a policy beside what else would do its work."""
    network = for_inference(trained)
    example, axis = source.evaluated(), source.summary["network"]["axis"]
    with torch.no_grad():
        if isinstance(network, Compiled) and isinstance(trained, Executed):
            found = compared(network, trained, tensors, source.build, example)
        else:
            found = cost(network, example, axis)
    return {**found, ONE_PASS: {**found[ONE_PASS], "bytes": size}}


def _require_replaceable(folder: Path) -> None:
    """Raise `ConfigurationError` where a folder holds anything that an export would not have written."""
    if not folder.exists():
        return
    ours = {WEIGHTS, DESCRIPTION, README, *(f"model.{each}" for each in get_args(Format))}
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [folder.name]
    strangers = [name for name in found if name not in ours]
    if strangers:
        raise ConfigurationError(
            f"--output {folder} holds {strangers[0]}, which no export has written; name another folder"
        )
