"""A trained network for use elsewhere: `python -m runner.export RUN --predictor slim --output DIR`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from runner.configuration.construct import construct, construct_model
from runner.errors import ConfigurationError, DataError, exit_code
from runner.evolution import slim
from runner.method import Method
from runner.rundir.checkpoint import Checkpoints
from runner.rundir.folder import RunFolder
from runner.tasks.classification import Classification

README = """# {name}

The predictor `{predictor}` of a run of `runner`: {parameters:,} parameters, inputs {input_shape}.

```python
from runner.export import load
model = load("{folder}")            # an nn.Module in evaluation mode
predictions = model(images)         # {{task: logits}}
```

For many calls, `torch.compile(model)` is faster, most of all on single images, after
`runner.evolution.fold.fold_batch_norm(model, images)`, which takes the batch norms out of it.

Without `runner`: `safetensors.torch.load_file("model.safetensors")` gives the tensors by name, in the sizes of this network.
`config.json` has the architecture that it was made from, the tasks with their classes and, under `data`, what the inputs were:
for images the mean and deviation (`std`) of the channels, of pixels scaled to [0, 1], that are taken off and divided by.
"""


def export(run: Path, predictor: str, output: Path) -> None:
    """Write model.safetensors, config.json and README.md of one of a run's networks.

    Raises `DataError` where `run` is not a finished run, `ConfigurationError` where the predictor is not a network of its
    own or the extra is missing.
    """
    safetensors = _safetensors()
    folder = RunFolder(run)
    if not folder.finished():
        raise DataError(f"{run} holds no finished run; give the folder that the runner printed at its end")
    summary, config = folder.summary(), yaml.safe_load(folder.config.read_text())
    networks = restored(folder, summary, config).networks()
    if predictor not in networks:
        known = ", ".join(networks) or "none of this method's"
        raise ConfigurationError(f"--predictor {predictor} is not a network of this run; its networks are: {known}")
    network = networks[predictor].eval()
    state = {name: value.detach().clone().contiguous() for name, value in network.state_dict().items()}
    content = {
        "predictor": predictor,
        "model": config["model"],
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


def load(folder: str | Path) -> nn.Module:
    """The network in an exported folder, in evaluation mode; the same logits as in the run."""
    content = json.loads((Path(folder) / "config.json").read_text())
    network = construct_model(content["model"], content["tasks"], content["input_shape"])
    slim.load(network, _safetensors().load_file(Path(folder) / "model.safetensors"))
    return network.eval()


def restored(folder: RunFolder, summary: dict[str, Any], config: dict[str, Any]) -> Method:
    """The method of a finished run with the weights of its best evaluation; needs no data."""
    shape = tuple(summary["network"]["input_shape"])

    def build(names: Sequence[str]) -> nn.Module:
        channels = {name: summary["network"]["tasks"][name] for name in names}
        return construct_model(config["model"], channels, shape)

    tasks = {name: Classification(classes=channels) for name, channels in summary["network"]["tasks"].items()}
    method: Method = construct(
        config["method"],
        build=build,
        tasks=tasks,
        sizes=summary["data"]["sizes"],
        scale=config["scale"],
        example=torch.zeros(1, *shape) if len(shape) == 3 else torch.zeros(shape[0], 1, *shape[1:]),
    )
    best = Checkpoints(folder.checkpoints, {}).load_best(torch.device("cpu"))
    method.load_state_dict(best["method"])
    return method


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
    options = parser.parse_args(arguments)
    try:
        export(options.run, options.predictor, options.output)
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
