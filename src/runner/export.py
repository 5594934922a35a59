"""A trained network for use elsewhere: `python -m runner.export RUN --predictor slim --output DIR`."""

import argparse
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from runner.configuration.construct import construct_method, construct_model
from runner.configuration.plugins import registered
from runner.configuration.settings import Settings
from runner.errors import ConfigurationError, DataError, exit_code
from runner.evolution import slim
from runner.method import Method, Setup
from runner.models import Gated
from runner.models.composed import Executed, Separate
from runner.rundir.checkpoint import Checkpoints
from runner.rundir.folder import RunFolder
from runner.tasks import Meter, Task, Whole, own

FORMS = {
    "separate": Separate,
    "executed": Executed,
}  # what a network is made of more than one of a configuration's model
README = """# {name}

The predictor `{predictor}` of a run of `runner`: {parameters:,} parameters, inputs {input_shape}.

```python
from runner.export import load
model = load("{folder}")            # an nn.Module in evaluation mode
predictions = model(inputs)         # {{task: prediction}}
```

For many calls, `torch.compile(model)` is faster, most of all on single images, after
`runner.evolution.fold.fold_batch_norm(model, inputs)`, which takes the batch norms out of it.

Without `runner`: `safetensors.torch.load_file("model.safetensors")` gives the tensors by name, in the sizes of this network.
`config.json` has the architecture that it was made from, the tasks with their classes and, under `data`, what the inputs were:
for images the mean and deviation (`std`) of the channels, of pixels scaled to [0, 1], that are taken off and divided by.
"""


def export(run: Path, predictor: str, output: Path, plugins: Collection[str] = ()) -> None:
    """Write model.safetensors, config.json and README.md of one of a run's networks.

    `plugins` are the packages beside the runner whose classes may be used. Raises `DataError` where `run` is not a finished
    run, `ConfigurationError` where the predictor is not a network of its own or the extra is missing.
    """
    safetensors = _safetensors()
    folder = RunFolder(run)
    if not folder.finished():
        raise DataError(f"{run} holds no finished run; give the folder that the runner printed at its end")
    settings = Settings.from_recorded(yaml.safe_load(folder.config.read_text()))
    strangers = sorted(settings.plugins.keys() - set(plugins) - registered())
    if strangers:
        raise ConfigurationError(
            f"{run} runs code of {', '.join(strangers)}; if you trust it, add --plugins {' '.join(strangers)}"
        )
    network = _network(restored(folder, settings, plugins), predictor).eval()
    state = {name: value.detach().clone().contiguous() for name, value in network.state_dict().items()}
    summary = folder.summary()
    content = {
        "predictor": predictor,
        "model": settings.recorded()["model"],
        "form": next((name for name, form in FORMS.items() if isinstance(network, form)), None),
        "tasks": summary["network"]["tasks"],
        "input_shape": summary["network"]["input_shape"],
        "class_names": summary["network"]["class_names"],
        "data": summary["data"],
        "run": run.name,
    }
    output.mkdir(parents=True, exist_ok=True)
    safetensors.save_file(state, output / "model.safetensors")
    (output / "config.json").write_text(json.dumps(content, indent=2) + "\n")
    size = sum(parameter.numel() for parameter in network.parameters())
    text = README.format(
        name=run.name, predictor=predictor, parameters=size, input_shape=content["input_shape"], folder=output
    )
    (output / "README.md").write_text(text)


def load(folder: str | Path, plugins: Collection[str] = ()) -> nn.Module:
    """The network in an exported folder, in evaluation mode; the same logits as in the run.

    A network of someone else's is loaded where its package is one of `plugins` or installed as a plugin.
    """
    content = json.loads((Path(folder) / "config.json").read_text())
    model, tasks, shape = content["model"], content["tasks"], content["input_shape"]
    if content.get("form") == "separate":  # exports of older versions do not say, and have none
        each = {name: construct_model(model, {name: channels}, shape, plugins) for name, channels in tasks.items()}
        network: nn.Module = Separate(each)
    else:
        network = construct_model(model, tasks, shape, plugins)
    if content.get("form") == "executed":
        assert isinstance(network, Gated)
        network = Executed(network, torch.ones(len(tasks), len(network.blocks)))
    slim.load(network, _safetensors().load_file(Path(folder) / "model.safetensors"))
    return network.eval()


@dataclass(frozen=True)
class RecordedTask(Task):
    """A task as a run's summary knows it: enough to build networks for, nothing to learn or to measure with."""

    channels: int
    kind: str
    higher_is_better: Mapping[str, bool]

    def loss(self, prediction: Tensor, target: Tensor, whole: Whole = own) -> Tensor:
        """None: an exported network is not trained."""
        raise AssertionError("an exported network is not trained")

    def resolved(self, prediction: Tensor, size: Sequence[int]) -> Tensor:
        """None: what kind of task it was is not known."""
        raise AssertionError("an exported network's predictions stay as they are")

    def meter(self) -> Meter:
        """None: an exported network is not measured."""
        raise AssertionError("an exported network is not measured")


def restored(folder: RunFolder, settings: Settings, plugins: Collection[str] = ()) -> Method:
    """The method of a finished run with the weights of its best evaluation; needs no data."""
    summary = folder.summary()
    recorded = summary["network"]
    tasks = {
        name: RecordedTask(channels, recorded["kinds"][name], recorded["metrics"][name])
        for name, channels in recorded["tasks"].items()
    }

    def build(names: Sequence[str]) -> nn.Module:
        channels = {name: tasks[name].channels for name in names}
        return construct_model(settings.model, channels, recorded["input_shape"], plugins)

    setup = Setup(
        build=build,
        tasks=tasks,
        sizes=summary["data"]["sizes"],
        batch_size=settings.method["batch_size"],
        scale=settings.scale,
        example=torch.zeros(recorded["input_shape"]).unsqueeze(recorded["axis"]),
        given=frozenset(settings.given),
    )
    method: Method = construct_method(settings.method, setup, plugins)
    method.load_state_dict(Checkpoints(folder.checkpoints, {}).load_best(torch.device("cpu"))["method"])
    return method


def _network(method: Method, predictor: str) -> nn.Module:
    networks = {name: found.network for name, found in method.predictors().items() if found.network is not None}
    if predictor not in networks:
        known = ", ".join(networks) or "none of this method's"
        raise ConfigurationError(f"--predictor {predictor} is not a network of this run; its networks are: {known}")
    return networks[predictor]()


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError:
        raise ConfigurationError('safetensors is not installed; pip install "runner[export]"') from None
    return safetensors.torch


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m runner.export", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--predictor", required=True, help="dense, slim, trained, snn, ...")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--plugins", nargs="*", default=(), help="packages beside the runner whose classes the run used"
    )
    options = parser.parse_args(arguments)
    try:
        export(options.run, options.predictor, options.output, options.plugins)
    except (ValueError, OSError) as error:
        code = exit_code(error)
        if code is None:
            raise
        print(f"runner: {error}", file=sys.stderr)
        return code
    print(f"wrote model.safetensors, config.json and README.md to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
