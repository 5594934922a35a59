"""Configuration -> data, model, method -> train -> summary.json; the only place that instantiates."""

import contextlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from runner.configuration.construct import construct, construct_model
from runner.configuration.identity import digest, settings
from runner.device import autocast, keep_freed_memory, pick_device
from runner.errors import CheckpointError
from runner.method import Method
from runner.report.baseline import find_reference
from runner.report.summary import finish
from runner.rundir.checkpoint import Checkpoints
from runner.rundir.folder import RunFolder
from runner.rundir.storage import write_atomically, write_json
from runner.seeds import seed_everything
from runner.training.batches import Data, describe, difference, fingerprint
from runner.training.loop import train
from runner.training.session import Session
from runner.training.signals import Interrupted, Stop

log = logging.getLogger("runner")


def run(config: dict[str, Any], folder: RunFolder, stop: Stop) -> float | None:
    """Run a checked configuration in its folder, from the beginning or from its last checkpoint; return the final score."""
    if config["threads"]:
        torch.set_num_threads(config["threads"])
    device = pick_device(config["device"])
    if device.type == "cpu":
        keep_freed_memory()
    torch.backends.cudnn.deterministic = True  # resuming on a GPU repeats the same sums
    torch.backends.cudnn.allow_tf32 = False  # precision=float32 is what it says: spikes turn on the last bits
    for leftover in folder.path.glob(".*.tmp"):
        leftover.unlink()
    write_atomically(folder.config, yaml.safe_dump(_public(config), sort_keys=False).encode())
    folder.write_summary({"status": "running", "digest": digest(config)})
    log.info("%s", folder.path)
    try:
        find_reference(config, folder)  # a wrong reference_run is said before the training, not after
        return _run(config, folder, device, stop)
    except BaseException as error:
        status = "interrupted" if isinstance(error, (Interrupted, KeyboardInterrupt)) else "failed"
        ended = {"status": status, "digest": digest(config), "error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(OSError):
            folder.write_summary(ended)
        raise


def _run(config: dict[str, Any], folder: RunFolder, device: torch.device, stop: Stop) -> float | None:
    checkpoints = Checkpoints(folder.checkpoints, {"configuration": digest(config), "torch": str(torch.__version__)})
    saved = checkpoints.load(device)
    data, method = assemble(config, device)
    _compare_data(config, folder, data)
    write_json(folder.path / "splits.json", describe(data))
    session = Session(config, folder, method, data, checkpoints, stop)
    start = session.restore(saved) if saved else None
    stop.deferred = True
    try:
        train(method, data, session, seed=config["seed"], start=start, autocast=autocast(config, device))
        session.save()
    except Interrupted:
        session.save()
        raise
    finally:
        session.close()
    stop.deferred = False
    return finish(config, folder, method, data, session)


def require_same_data(config: dict[str, Any], folder: RunFolder) -> None:
    """Raise `CheckpointError` where a run's folder belongs to other data than the configuration names now."""
    _compare_data(config, folder, load_data(config, torch.device("cpu")))


def _compare_data(config: dict[str, Any], folder: RunFolder, data: Data) -> None:
    """A run's identity holds no paths, so that moved data are found again: what lies there is compared in their place."""
    found = fingerprint(data)
    if not folder.data.exists():
        write_json(folder.data, found)
        return
    differing = difference(found, json.loads(folder.data.read_text()))
    if differing:
        raise CheckpointError(
            f"{folder.path} was trained on other data than dataset.root={config['dataset'].get('root')}: {differing} differ; "
            "use another folder (hydra.run.dir=...) or delete that one"
        )


def load_data(config: dict[str, Any], device: torch.device) -> Data:
    """The data of a configuration."""
    dataset_config, tasks = config["dataset"], tuple(config["dataset"]["tasks"])
    dataset = construct({**dataset_config, "tasks": tasks}, cache=cache_folder(config), scale=config["scale"])
    return Data(
        dataset,
        seed=config["seed"],
        selection=config["selection"],
        scale=config["scale"],
        batch_size=config["method"]["batch_size"],
        device=device,
    )


def assemble(config: dict[str, Any], device: torch.device) -> tuple[Data, Method]:
    """The data and the method of a configuration, fresh from the seed."""
    data = load_data(config, device)
    tasks, example = data.dataset.tasks, data.example()

    def build(names: Sequence[str]) -> nn.Module:
        channels = {name: tasks[name].channels for name in names}
        return construct_model(config["model"], channels, data.input_shape)

    seed_everything(config["seed"], "initialisation")
    method: Method = construct(
        config["method"], build=build, tasks=tasks, sizes=data.sizes(), scale=config["scale"], example=example
    )
    return data, method.to(device)


def cache_folder(config: dict[str, Any]) -> Path:
    """Where decoded and generated arrays go: `cache_dir`, else beside the data, else the user's cache folder."""
    if config["cache_dir"]:
        return Path(config["cache_dir"])
    root = config["dataset"].get("root")
    if root and Path(root).is_dir() and os.access(root, os.W_OK):
        return Path(root) / ".runner-cache"
    base = os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME") or "/tmp") / ".cache"
    return Path(base) / "runner"


def _public(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration as it is recorded: every value that counts, then those that change no result."""
    rest = {key: config[key] for key in ("device", "threads", "cache_dir", "reference_run", "reference")}
    root = {"root": config["dataset"]["root"]} if "root" in config["dataset"] else {}
    recorded = settings(config)
    return {**recorded, "dataset": {**recorded["dataset"], **root}, **rest}
