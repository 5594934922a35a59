"""What holds for every file in conf/dataset, on small files in the official layout (see `tests.datasets.layouts`)."""

import dataclasses
import inspect
import json
import pkgutil
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import pytest
import torch
from torch import Tensor

from runner.batch import Batch, each, first
from runner.configuration import files
from runner.datasets import Dataset
from runner.errors import ConfigurationError
from runner.seeds import PartGenerator, generator
from tests.datasets import layouts
from tests.signatures import parameters, words_of_annotation, words_of_rule

OPTIONS = files.options("dataset")
GIVEN = {"cache", "scale"}  # to every reader, beside the keys of its YAML
SAMPLE_AXIS = {"images": 0, "events": 1, "own_images": 0, "own_texts": 0}
CPU, META = torch.device("cpu"), torch.device("meta")  # meta refuses to work with tensors of another, as a GPU would


class Case(NamedTuple):
    """A reader and what it was built from."""

    content: Mapping[str, Any]  # of the YAML
    settings: Mapping[str, Any]  # of the constructor
    data: Dataset

    def again(self, **changed: Any) -> Dataset:
        return reader(self.content)(**{**self.settings, **changed})

    def everything(self) -> Tensor:
        """All sample numbers, out of order."""
        numbers = torch.cat(list(self.data.splits.values())).unique()
        numbers = self.data.apart(numbers)[0]  # of the first task, where each has its own
        return numbers[torch.randperm(len(numbers), generator=torch.Generator().manual_seed(0))]


def reader(content: Mapping[str, Any]) -> type[Dataset]:
    return pkgutil.resolve_name(content["_target_"])


def layout(option: str) -> Callable[[Path], Mapping[str, Any]]:
    """What writes the small files of an option: the function of its name, or that of another option of its class."""
    target = OPTIONS[option]["_target_"]
    names = [option, *(other for other, content in OPTIONS.items() if content["_target_"] == target)]
    names = [re.sub(r"\W", "_", name) for name in names]
    for name in names:
        if name in vars(layouts):
            return vars(layouts)[name]
    pytest.fail(
        f"dataset={option} has no small files to be tested on; add a function {names[0]}(root) to tests/datasets/layouts that "
        "writes its official layout into the folder `root` and returns the settings that so few files need, or {}"
    )


def built(option: str, folder: Path) -> Case:
    content, root = OPTIONS[option], folder / "data"
    root.mkdir()
    keys = {key: value for key, value in content.items() if key[0] != "_"}
    place = {"root": str(root)} if "root" in keys else {}
    given = {"tasks": tuple(content["_offers_"]), "cache": folder / "cache", "scale": 1.0}
    settings = {**keys, **place, **layout(option)(root), **given}
    return Case(content, settings, reader(content)(**settings))


@pytest.fixture(scope="module", params=list(OPTIONS))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return built(request.param, tmp_path_factory.mktemp("dataset"))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(batch: Batch, chosen: Tensor) -> Batch:
    targets = {name: target[chosen] for name, target in batch.targets.items()}
    return batch._replace(inputs=each(batch.inputs, lambda own: own.index_select(batch.axis, chosen)), targets=targets)


def assert_same(first: Batch, second: Batch) -> None:
    """Equal bit for bit."""
    assert first.axis == second.axis
    for one, other in zip(tensors(first), tensors(second), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def tensors(batch: Batch) -> list[Tensor]:
    return [first(batch.inputs), *batch.targets.values()]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_key_is_a_keyword_of_its_kind_and_every_keyword_a_key(option: str) -> None:
    content = OPTIONS[option]
    hints = parameters(reader(content))
    keys = {key for key in content if key[0] != "_"}
    assert keys == set(content["_rules_"]) == set(hints) - GIVEN
    assert set(hints) >= GIVEN
    for one in inspect.signature(reader(content)).parameters.values():
        assert one.kind in (one.KEYWORD_ONLY, one.VAR_KEYWORD)
        assert one.default is one.empty
    for key in keys - {"tasks"}:
        assert words_of_rule(content["_rules_"][key]) == words_of_annotation(hints[key]), key
    # of data that describe their own tasks any name may be one
    named = ["str"] if "_described_" in content else content["_offers_"]
    assert words_of_rule(content["_rules_"]["tasks"]) == {"null", *(f"several {task}" for task in named)}
    assert hints["tasks"] == tuple[str, ...]


def test_unknown_words_are_refused(case: Case) -> None:
    hints = parameters(type(case.data))
    for key, kind in hints.items():
        words = [word for part in (kind, *get_args(kind)) if get_origin(part) is Literal for word in get_args(part)]
        if words:
            with pytest.raises(ConfigurationError, match=rf"^dataset\.{key}=nothing is not allowed") as raised:
                case.again(**{key: "nothing"})
            assert all(str(word) in str(raised.value) for word in words)


def test_splits_are_disjoint_lists_of_samples(case: Case) -> None:
    splits = case.data.splits
    assert {"train", "test"} <= splits.keys()
    for name, samples in splits.items():
        assert samples.dtype == torch.int64, name
        assert len(samples) == len(samples.unique()) > 0, name
    apart = torch.cat([splits[name] for name in ("train", "validation", "test") if name in splits])
    assert len(apart) == len(apart.unique())
    parts = torch.cat([splits[name] for name in ("train1", "train2") if name in splits] or [splits["train"][:0]])
    assert len(parts) == len(parts.unique())
    assert torch.isin(parts, splits["train"]).all()


def test_tasks_are_those_offered_and_those_asked_for(case: Case) -> None:
    offers = case.content["_offers_"]
    assert {name: task.kind for name, task in case.data.tasks.items()} == offers
    for name in offers:
        alone = case.again(tasks=(name,))
        assert list(alone.tasks) == [name]
        assert list(alone.batch(alone.splits["test"], CPU).targets) == [name]


def test_what_is_said_of_the_data_is_plain(case: Case) -> None:
    assert json.loads(json.dumps(case.data.about)) == case.data.about
    assert case.data.about
    for task, names in case.data.class_names.items():
        assert isinstance(names, tuple)
        assert all(isinstance(name, str) for name in names)
        assert len(names) == case.data.tasks[task].channels


def test_samples_that_have_files_of_their_own_are_called_by_them(case: Case) -> None:
    root = Path(case.settings.get("root", ""))
    files = {str(path.relative_to(root)) for path in root.rglob("*")} if "root" in case.settings else set()
    count = 1 + max(int(samples.max()) for samples in case.data.splits.values())
    assert len(case.data.names) == (count if len(files) > count else 0)
    assert len(set(case.data.names)) == len(case.data.names)
    assert set(case.data.names) <= files


def test_pictures_are_prepared_as_what_is_measured(case: Case) -> None:
    inputs, preparation = first(case.data.batch(case.data.splits["test"][:1], CPU).inputs), case.data.preparation
    if not case.content["_input_"].endswith("images"):
        assert preparation is None
        return
    assert preparation is not None
    assert inputs.shape == (1, len(preparation.mean), *preparation.size)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (preparation.mean, preparation.std))
    colours = (inputs[0] * std + mean).clamp(0, 1)
    colours = colours.flip(0) if preparation.channels == "BGR" else colours
    # the whole of a picture as it was measured; photographs are cropped, tests of their own compare them with their files
    whole = dataclasses.replace(preparation, shorter_side=None)
    torch.testing.assert_close(whole(colours), inputs, atol=1e-5, rtol=1e-5)


def test_a_process_that_makes_a_part_of_a_batch_makes_what_it_is_in_the_whole(case: Case) -> None:
    """Pictures of several sizes are resampled in blocks as wide as the widest, which rounds in another order."""
    samples = case.everything()
    chosen = torch.arange(len(samples))[1::2]
    whole = rows(case.data.batch(samples, CPU, generator(0, "part")), chosen)
    part = case.data.batch(samples[chosen], CPU, PartGenerator(chosen, len(samples), 0, "part"))
    for one, other in zip(tensors(part), tensors(whole), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("seed", [None, 1])
def test_a_batch_has_a_row_for_every_sample(case: Case, seed: int | None) -> None:
    samples = case.everything()
    batch, elsewhere = (
        case.data.batch(samples, device, None if seed is None else seeded(seed)) for device in (CPU, META)
    )
    assert batch.axis == SAMPLE_AXIS[case.content["_input_"]]
    inputs = first(batch.inputs)
    assert inputs.shape[batch.axis] == len(samples)
    assert inputs.dtype == (torch.int64 if case.content["_input_"].endswith("texts") else torch.float32)
    assert inputs.isfinite().all()
    assert list(batch.targets) == list(case.data.tasks)[: 1 if case.data.owned else None]
    assert isinstance(batch.inputs, Tensor) or list(batch.inputs) == list(batch.targets)
    assert {len(target) for target in batch.targets.values()} == {len(samples)}
    for ours, theirs in zip(tensors(batch), tensors(elsewhere), strict=True):
        assert (theirs.device, theirs.shape, theirs.dtype) == (META, ours.shape, ours.dtype)


def test_a_sample_is_the_same_in_every_batch_that_is_measured(case: Case) -> None:
    samples = case.everything()
    whole = case.data.batch(samples, CPU)
    assert_same(case.data.batch(samples, CPU), whole)
    assert_same(case.again().batch(samples, CPU), whole)
    order = torch.randperm(len(samples), generator=seeded(1))
    assert_same(case.data.batch(samples[order], CPU), rows(whole, order))
    for part in (torch.arange(len(samples) // 2), torch.tensor([len(samples) - 1]), torch.tensor([1, 0, 1])):
        assert_same(case.data.batch(samples[part], CPU), rows(whole, part))


def test_a_training_batch_is_a_function_of_generator_and_samples(case: Case) -> None:
    samples = case.everything()
    first = case.data.batch(samples, CPU, seeded(3))
    state = torch.get_rng_state()
    torch.rand(1)  # what else was drawn does not matter
    assert_same(case.data.batch(samples, CPU, seeded(3)), first)
    assert_same(case.again().batch(samples, CPU, seeded(3)), first)
    torch.set_rng_state(state)
    case.data.batch(samples, CPU, seeded(3))
    assert torch.equal(torch.get_rng_state(), state)


def test_labels_are_the_targets_of_label_tasks(case: Case) -> None:
    samples = case.everything()
    targets = case.data.batch(samples, CPU).targets
    for name, task in case.data.tasks.items():
        if task.kind == "label":
            labels = case.data.labels(name)
            assert (labels.dtype, labels.ndim, labels.device) == (torch.int64, 1, CPU)
            assert len(labels) > samples.max()
            assert name not in targets or torch.equal(labels[samples], targets[name])
        else:
            with pytest.raises(ConfigurationError, match=f"no class in task '{name}'") as raised:
                case.data.labels(name)
            having = [other for other, kind in case.content["_offers_"].items() if kind == "label"]
            assert all(other in str(raised.value) for other in having)


@pytest.mark.parametrize(
    "option", [name for name, content in OPTIONS.items() if "label" in content["_offers_"].values()]
)
def test_labels_are_known_without_images(option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = built(option, tmp_path)
    names = [name for name, task in case.data.tasks.items() if task.kind == "label"]
    targets, samples = case.data.batch(case.everything(), CPU).targets, case.everything()
    fresh = case.again()
    monkeypatch.setattr(type(fresh), "batch", None)
    shutil.rmtree(tmp_path)
    assert all(torch.equal(fresh.labels(name)[samples], targets[name]) for name in names if name in targets)


def test_an_option_without_small_files_says_where_they_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPTIONS, "pets/small-ones", {"_target_": "outside.pets.Pets"})
    with pytest.raises(
        pytest.fail.Exception, match=r"add a function pets_small_ones\(root\) to tests/datasets/layouts"
    ):
        layout("pets/small-ones")
    monkeypatch.setitem(OPTIONS, "numerals", OPTIONS["mnist"])
    assert layout("numerals") is layouts.mnist
