"""The end of a run: what it measured and learned, what that cost and compares with, in one file, figures and one print.

What the file holds is written down in `runner.report.schema`.
"""

import logging
import platform
import time
from collections.abc import Mapping
from typing import Any

import torch

from runner import __version__
from runner.configuration.identity import digest
from runner.configuration.settings import Settings
from runner.device import autocast, peak_memory
from runner.method import Method, StartingWeights
from runner.report.baseline import found, given, relative
from runner.report.comparison import beside, neighbours
from runner.report.finished import Finished
from runner.report.highest import highest, of_the_result
from runner.report.measured import Measured, network_costs, networks, shown
from runner.report.rounding import rounded
from runner.report.series import flat, series
from runner.report.spikes import dead_layers
from runner.report.tables import show
from runner.rundir.folder import RunFolder
from runner.stages import budget, main_predictor
from runner.tasks.record import definition
from runner.training.batches import Data
from runner.training.progress import SCREEN
from runner.training.session import Session

log = logging.getLogger("runner")
SELECTION = {
    "validation": "best evaluation on a validation split drawn from the training samples",
    "test": "best evaluation on the test split, as the papers do",
    "last": "last evaluation, nothing selected",
}


def finish(
    settings: Settings,
    folder: RunFolder,
    method: Method,
    data: Data,
    session: Session,
    weights: StartingWeights | None = None,
    before: float = 0.0,
) -> None:
    """Write summary.json and the figures, print the closing table.

    `before` is how many seconds this start of the run took before the training.
    """
    begun, peak = time.monotonic(), peak_memory(data.device)
    log.info("measuring")
    learned = _learned(method, session)
    main = main_predictor(method.stages())
    found = networks(method)
    measured, spikes = shown(method, found, data, autocast(settings.precision, data.device))
    for text in dead_layers(measured.spikes.activity) if measured.spikes else ():
        session.warned.warn(text)
    costs = network_costs(found, data)
    summary = {
        **_result(settings, folder, method, data, session),
        **_asked(settings, data),
        **({"weights": dict(weights.report())} if weights is not None else {}),
        "costs": costs,
        "parameters": costs.get(main, {}).get("parameters", _trained_parameters(method)),
        **({"spikes": spikes} if spikes else {}),
        **learned,
        "seconds": round(session.seconds, 3),
        "seconds_in_all": 0.0,  # until all is drawn
        "peak_memory_bytes": peak,
        **_ran_on(data),
        "plugins": dict(settings.plugins),
        "warnings": list(session.warned.texts),
    }
    summary = rounded(summary)
    summary["figures"] = _drawn(folder, summary, measured) if settings.figures else []
    summary["seconds_in_all"] = round(before + session.seconds + time.monotonic() - begun, 3)
    summary["evaluations"] = summary.pop("evaluations")  # last: they are long
    folder.write_summary(summary)
    SCREEN.info("%s", show(folder.summary(), folder.path))


def _drawn(folder: RunFolder, summary: Mapping[str, Any], measured: Measured) -> list[str]:
    log.info("drawing")
    from runner.report import figures  # imports matplotlib

    return figures.draw(folder, summary, measured)


def _learned(method: Method, session: Session) -> dict[str, Any]:
    """What the method reports; afterwards it has the weights of its result.

    It is reported of these weights, and so are the metrics beside it. Not where the points of a series are alternatives: the
    result is one of them, and what was learned for those that came after it is known at the end alone.
    """
    if method.series is not None and method.series.alternatives:
        learned = method.summary()
        session.load_best()
        return {**learned}
    session.load_best()
    return {**method.summary()}


def _result(settings: Settings, folder: RunFolder, method: Method, data: Data, session: Session) -> dict[str, Any]:
    """What the run came to, and what it compares with."""
    stages, tasks = method.stages(), data.dataset.tasks
    main, evaluations, chosen = main_predictor(stages), session.evaluations(), session.selection.chosen()
    samples, before = budget(stages, data.batch_size)
    spent = {"samples": samples, "before": before, "batch_size": data.batch_size}
    own = Finished(folder, {"choices": settings.choices, "seed": settings.seed, "budget": spent})
    others = beside(own)
    points = series(method, session.selection, evaluations, neighbours(own, others))
    metrics = flat({name: best.metrics for name, best in chosen.items()})
    name, path = settings.method.get("_baseline_"), settings.baseline_run
    baseline = given(path, name, own) if path else found(name, own, others)
    directions = {name: task.higher_is_better for name, task in tasks.items()}
    return {
        "status": "finished",
        "digest": digest(settings),
        "name": folder.path.name,
        "predictor": main,
        "score": chosen[main].score,
        "metrics": metrics,
        "chosen": {
            name: {"stage": best.stage, "step": best.step, "score": best.score} for name, best in chosen.items()
        },
        "evaluations": evaluations,
        "highest": highest(main, of_the_result(evaluations, points), tasks),
        "budget": spent,
        **({"series": points} if points else {}),
        "baseline": baseline.described() if baseline else None,
        "relative_performance": relative(metrics, baseline.run, directions) if baseline else None,
    }


def _asked(settings: Settings, data: Data) -> dict[str, Any]:
    """What the run was asked for, and what it is about."""
    tasks, preparation = data.dataset.tasks, data.dataset.preparation
    return {
        "choices": settings.choices,
        "seed": settings.seed,
        "selection": SELECTION[settings.selection],
        "selection_split": data.selection_split,
        "published": settings.published,
        "data": {"sizes": dict(data.sizes()), **data.dataset.about},
        "network": {
            "tasks": {name: task.channels for name, task in tasks.items()},
            "kinds": {name: task.kind for name, task in tasks.items()},
            "input_shape": list(data.input_shape),
            "axis": data.sample_axis,
            "preparation": preparation.recorded() if preparation is not None else None,
            "definitions": {name: definition(task) for name, task in tasks.items()},
            "class_names": {name: list(names) for name, names in data.dataset.class_names.items()},
            "metrics": {name: dict(task.higher_is_better) for name, task in tasks.items()},
        },
    }


def _ran_on(data: Data) -> dict[str, Any]:
    """What the run ran on, and in how many parts."""
    return {
        "device": torch.cuda.get_device_name() if data.device.type == "cuda" else platform.processor() or "cpu",
        "threads": torch.get_num_threads(),
        "processes": data.here.count,
        "batch_per_process": data.batch_size // data.here.count,
        "versions": {"runner": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
    }


def _trained_parameters(method: Method) -> int:
    """How many parameters the last stage trains."""
    optimizer = method.optimizers[method.stages()[-1].optimizer]
    return sum(weights.numel() for group in optimizer.param_groups for weights in group["params"])
