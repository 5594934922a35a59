"""The README.md of an exported network."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from runner.export.compared import ONE_PASS, PASSES, SINGLE, Costs
from runner.export.formats import Format
from runner.tasks import Task
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.regression import HeatMap
from runner.tasks.segmentation import Segmentation

_START = """# {run}: {predictor}

A network of a run of `runner`, for {tasks}: {parameters} parameters, {bytes} bytes.

"""
_PICTURES = """```python
from runner.export import load

net = load("{folder}")  # this folder; needs neither Hydra nor anything that trains
inputs = net.preprocess("picture.jpg")  # a path, a Pillow picture or an array, of any size and kind -> {shape}
found = net.postprocess(net(inputs))  # {{task: array}} at the picture's size
```

"""
_NO_PICTURES = """```python
from runner.export import load

net = load("{folder}")  # this folder; needs neither Hydra nor anything that trains
predictions = net(inputs)  # inputs {shape}, or more of them along axis {axis} -> {{task: prediction}}
found = net.postprocess(predictions)  # {{task: array}} of one of them
```

"""
_PREPARED = """`preprocess` {resize}, as {channels} in [0, 1],
less the mean {mean} by the deviation {std} (`preparation` in `config.json`).
`net(inputs)` takes batches of any number, and `net.model` is the module itself.

"""
_COSTS = """## What it costs

For one sample; latency on the machine that exported it, threads: {threads}.

| | MACs | parameters | bytes | latency |
|---|---|---|---|---|
"""
_PRUNED = """
It is pruned: {parameters} of its parameters are not zero{macs}. Its zeros are stored as such, in every format, and
take as much room and time as other numbers where nothing makes use of them.
"""
_COMPARED = """
Its policy is compiled in when it is loaded: blocks that no task executes are gone, what tasks have in common runs once, and
batch norms are folded into the convolutions before them (for the latency of all three rows). Parameters and bytes are those of
the trained weights. In memory the folded network has {folded} parameters: a block that tasks execute after they have parted is
there once for each, for its statistics are each task's own.
"""
_WITHOUT = """
## Without `runner`

{formats}`safetensors.torch.load_file("model.safetensors")` gives the tensors by name, in the sizes of this network; `config.json`
has the architecture that they belong to{gates}, the tasks with their classes, and what is known of the data.
"""
_ONNX = """`model.onnx` has the input `inputs` and an output of each task's name; `net.postprocess` takes them too:

```python
import numpy
import onnxruntime

session = onnxruntime.InferenceSession("{folder}/model.onnx")
inputs = numpy.zeros({shape}, numpy.float32)  # or more along axis {axis}, prepared as above
names = [output.name for output in session.get_outputs()]
predictions = dict(zip(names, session.run(None, {{"inputs": inputs}})))
```

"""
_PT2 = """`model.pt2` is a program of torch's own:

```python
import torch

program = torch.export.load("{folder}/model.pt2").module()
predictions = program(torch.zeros({shape}))  # or more along axis {axis}, prepared as above -> {{task: prediction}}
```

"""
_NIR = """`model.nir` is a graph of spiking neurons, up to the spikes of the output (the extra `nir`); spikingjelly, snntorch and
others read it:

```python
import nir

graph = nir.read("{folder}/model.nir")
```

"""
_FORMATS: Mapping[Format, str] = {"onnx": _ONNX, "pt2": _PT2, "nir": _NIR}
_TITLES = {
    ONE_PASS: "this network",
    PASSES: "the same in a pass per task",
    SINGLE: "single-task networks, one per task",
}


def described(
    content: Mapping[str, Any], folder: Path, tasks: Mapping[str, Task], formats: Collection[Format] = ()
) -> str:
    """The text for an export's config.json; `tasks` are those that it makes, `formats` lie beside it."""
    costs: Mapping[str, Costs] = content["costs"]
    own, shape = costs[ONE_PASS], tuple(content["evaluated"])
    start = _START.format(
        run=content["run"],
        predictor=content["predictor"],
        tasks=", ".join(tasks),
        parameters=f"{own['parameters']:,}",
        bytes=f"{own['bytes']:,}",
    )
    preparation = content.get("preparation")
    place = {"folder": folder.name, "shape": shape, "axis": content["axis"]}
    usage = (_PICTURES if preparation else _NO_PICTURES).format(**place)
    answers = "".join(f"- `{name}`: {answer(task)}\n" for name, task in tasks.items())
    return "".join(
        (
            start,
            usage,
            f"{answers}\n",
            _prepared(preparation) if preparation else "",
            _COSTS.format(threads=torch.get_num_threads()),
            *(_row(_TITLES[name], cost) for name, cost in costs.items()),
            _COMPARED.format(folded=f"{own['folded_parameters']:,}") if len(costs) > 1 else "",
            _pruned(own),
            _WITHOUT.format(
                formats="".join(_FORMATS[each].format(**place) for each in formats),
                gates=", the policy (`gates`, a row for each task)" if "gates" in content else "",
            ),
        )
    )


def answer(task: Task) -> str:
    """What `postprocess` gives for a task, in words."""
    match task:
        case Segmentation():
            return f"class numbers (H, W) from 0 to {task.classes - 1}, by `net.class_names`"
        case Normals(coding="raw"):
            return "unit vectors (H, W, 3) in the coding of the released AdaShare code"
        case Normals():
            return "unit vectors (H, W, 3): x right, y down, z forward"
        case Depth(quantity="inverse depth"):
            return "inverse depth (H, W) in the unit of the data it learned from"
        case Depth():
            return "metres (H, W)"
        case HeatMap():
            return "numbers (H, W)"
        case Classification():
            return f"probabilities of {task.classes} classes, by `net.class_names`"
    return f"as `{type(task).__module__}.{type(task).__qualname__}` says"


def _prepared(preparation: Mapping[str, Any]) -> str:
    height, width = preparation["size"]
    shorter = preparation["shorter_side"]
    resize = (
        f"brings the whole picture to {height} x {width} (H x W) pixels"
        if shorter is None
        else f"brings the shorter side to {shorter} pixels and takes the central {height} x {width}"
    )
    numbers = {key: tuple(round(value, 5) for value in preparation[key]) for key in ("mean", "std")}
    return _PREPARED.format(resize=resize, channels=preparation["channels"], **numbers)


def _pruned(cost: Costs) -> str:
    if "nonzero_parameters" not in cost:
        return ""
    macs = f", in {cost['nonzero_macs']:,} MACs" if "nonzero_macs" in cost else ""
    return _PRUNED.format(parameters=f"{cost['nonzero_parameters']:,}", macs=macs)


def _row(title: str, cost: Costs) -> str:
    return f"| {title} | {cost['macs']:,} | {cost['parameters']:,} | {cost['bytes']:,} | {1000 * cost['seconds']:.3g} ms |\n"
