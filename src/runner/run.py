"""Settings -> data, model, method -> train -> summary.json; the only place that instantiates."""

import contextlib
import dataclasses
import logging
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml
from torch import nn

from runner.configuration.construct import construct, construct_method, construct_model
from runner.configuration.identity import digest
from runner.configuration.objective import Direction, require_towards
from runner.configuration.settings import Settings
from runner.datasets.sources import cache_beside
from runner.device import keep_freed_memory, pick_device, set_products, warn_of_slow_precision
from runner.errors import CheckpointError, LostError
from runner.exchange import joined, largest
from runner.interop.pretrained import starting_weights
from runner.method import Method, Setup
from runner.processes import processes
from runner.report.baseline import require_comparable
from runner.report.sections.weights import weights_in_words
from runner.report.series import measured_keys
from runner.report.summary import finish
from runner.rundir.checkpoint import Checkpoints
from runner.rundir.folder import RunFolder
from runner.rundir.storage import write_atomically, write_json
from runner.seeds import seed_everything
from runner.training.batches import Data
from runner.training.features import require_features
from runner.training.fingerprint import changed_sources, describe, difference, fingerprint
from runner.training.loop import train
from runner.training.session import Session
from runner.training.signals import Interrupted, Stop

log = logging.getLogger("runner")


def run(settings: Settings, folder: RunFolder, stop: Stop, sought: Direction | None = None) -> None:
    """Run checked settings in their folder, from the beginning or from the last checkpoint.

    A sweeper that compares runs has `sought` more or less of the objective.
    """
    device = prepare(settings)
    if not processes().leads:
        follow(settings, folder, device, stop)
        return
    for leftover in folder.path.glob(".*.tmp"):
        leftover.unlink()
    write_atomically(folder.config, yaml.safe_dump(settings.recorded(), sort_keys=False).encode())
    folder.write_summary({"status": "running", "digest": digest(settings)})
    warn_of_slow_precision(settings.precision, device)
    try:
        require_comparable(settings.baseline_run, folder)  # a wrong baseline_run is said before the training, not after
        train_and_report(settings, folder, device, stop, sought)
    except BaseException as error:
        if isinstance(error, Interrupted):
            error.saved = (folder.checkpoints / "last.pt").exists()
        status = "interrupted" if isinstance(error, (Interrupted, KeyboardInterrupt)) else "failed"
        ended = {"status": status, "digest": digest(settings), "error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(OSError):
            folder.write_summary(ended)
        raise


def prepare(settings: Settings) -> torch.device:
    """Set torch up for a run and return the device it runs on."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = pick_device(settings.device)
    if device.type == "cpu":
        keep_freed_memory()
    torch.backends.cudnn.deterministic = True  # resuming on a GPU repeats the same sums
    set_products(settings.precision, device)  # float32 is what it says: spikes turn on the last bits
    return device


def train_and_report(
    settings: Settings, folder: RunFolder, device: torch.device, stop: Stop, sought: Direction | None
) -> None:
    """Train to the end, then write the summary and the figures."""
    begun = time.monotonic()
    identity = {"configuration": digest(settings), "torch": str(torch.__version__)}
    checkpoints = Checkpoints(folder.checkpoints, identity)
    saved = checkpoints.load(device)
    data, method, setup = assemble(settings, device)
    require_features(method, data)
    require_towards(settings.objective, measured_keys(method, data), sought)
    require_data_of(settings, folder, data)
    write_json(folder.path / "splits.json", describe(data))
    if setup.shrunk:
        counts = ", ".join(f"method.{key} {count} → {shrunk}" for key, (count, shrunk) in setup.shrunk.items())
        log.info("scale=%g: %s", settings.scale, counts)
    if setup.weights is not None and saved is None:
        log.info("%s", weights_in_words(setup.weights.report()))
    session = Session(settings, folder, method, data, checkpoints, stop, saved)
    for text in data.dataset.warnings:
        session.warned.warn(text)
    before = time.monotonic() - begun
    descend(method, session)
    finish(settings, folder, method, data, session, setup.weights, before)


def follow(settings: Settings, folder: RunFolder, device: torch.device, stop: Stop) -> None:
    """Take part in a run whose folder another process writes: read it, and leave nothing of one's own.

    What the same program writes there goes into a folder that is deleted at the end.
    """
    identity = {"configuration": digest(settings), "torch": str(torch.__version__)}
    checkpoints = Checkpoints(folder.checkpoints, identity, writes=False)
    saved = checkpoints.load(device)
    data, method, _ = assemble(settings, device)
    if saved is not None:
        saved = {**saved, "record": None}
    with tempfile.TemporaryDirectory(prefix="runner-") as own:
        settings = dataclasses.replace(settings, tracker=None)
        descend(method, Session(settings, RunFolder(Path(own)), method, data, checkpoints, stop, saved))


def descend(method: Method, session: Session) -> None:
    """The training itself, with all processes of the run."""
    data, stop, settings = session.data, session.stop, session.settings
    try:
        with joined(data.device, stop.at_once()), stop.agreeing(largest), session.running():
            train(
                method,
                data,
                session,
                seed=settings.seed,
                start=session.start,
                autocast=session.autocast,
                compiles=settings.compile,
                over=settings.batch_norm,
            )
    except LostError:
        stop.conclude()
        raise


def require_same_data(settings: Settings, folder: RunFolder) -> None:
    """Raise `CheckpointError` where a run's folder belongs to other data than the settings name now."""
    require_data_of(settings, folder, load_data(settings, torch.device("cpu")))


def require_data_of(settings: Settings, folder: RunFolder, data: Data) -> None:
    """Raise `CheckpointError` where a run's folder belongs to other data than these; note them where it belongs to none yet.

    A run's identity holds no paths, so that moved data are found again: what lies there is compared in their place.
    """
    found = fingerprint(data)
    recorded = folder.recorded_data()
    if recorded is None:
        write_json(folder.fingerprint, found)
        return
    differing = difference(found, recorded)
    if differing:
        changed = changed_sources(found, recorded)
        files = f" ({', '.join(changed[:3])} changed since)" if changed else ""
        raise CheckpointError(
            f"{folder.path} was trained on other data than dataset.root={settings.dataset.get('root')}: {differing} differ"
            f"{files}; use another folder (hydra.run.dir=...) or delete that one"
        )


def load_data(settings: Settings, device: torch.device) -> Data:
    """The data of a run."""
    node = {**settings.dataset, "tasks": tuple(settings.dataset["tasks"])}
    dataset = construct(node, settings.plugins, cache=cache_folder(settings), scale=settings.scale)
    return Data(
        dataset,
        seed=settings.seed,
        selection=settings.selection,
        scale=settings.scale,
        batch_size=settings.method["batch_size"],
        device=device,
        here=processes(),
    )


def assemble(settings: Settings, device: torch.device) -> tuple[Data, Method, Setup]:
    """The data and the method of a run, fresh from the seed and with the weights of elsewhere, and what the method was given."""
    weights = starting_weights(settings)  # first: what is wrong with the file is said at once
    data = load_data(settings, device)
    tasks = data.dataset.tasks

    def build(names: Sequence[str]) -> nn.Module:
        channels = {name: tasks[name].channels for name in names}
        network = construct_model(settings.model, channels, data.input_shape, settings.plugins)
        if weights is not None:
            weights.put_into(network)
        return network

    setup = Setup(
        build=build,
        weights=weights,
        tasks=tasks,
        sizes=data.smallest(),
        batch_size=data.batch_size,
        scale=settings.scale,
        example=data.example(),
        given=frozenset(settings.given),
    )
    seed_everything(settings.seed, "initialisation")
    method: Method = construct_method(settings.method, setup, settings.plugins)
    return data, method.to(device), setup


def cache_folder(settings: Settings) -> Path:
    """Where decoded and generated arrays go: `cache_dir`, else beside the data, else the user's cache folder."""
    if settings.cache_dir:
        return Path(settings.cache_dir)
    return cache_beside(settings.dataset.get("root"))
