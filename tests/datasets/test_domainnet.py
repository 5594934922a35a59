"""DomainNet: six domains, each a task with pictures of its own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from runner.datasets.domainnet import DomainNet
from runner.errors import DataError
from tests.datasets.layouts import photo_files

CONFIGURATION = Path(__file__).resolve().parents[2] / "conf" / "dataset" / "domainnet.yaml"
CPU = torch.device("cpu")
Make = Callable[..., DomainNet]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(**changes: object) -> DomainNet:
        content = yaml.safe_load(CONFIGURATION.read_text())
        keys = {key: value for key, value in content.items() if key[0] != "_"}
        given = {"root": str(tmp_path / "data"), "cache": tmp_path / "cache", "scale": 1.0, "size": 16}
        return DomainNet(**{**keys, **given, "tasks": photo_files.DOMAINS, **changes})

    return build


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return photo_files.domains(tmp_path / "data")


def test_every_domain_owns_its_pictures(root: Path, make: Make) -> None:
    data = make()
    assert {name: len(own) for name, own in data.owned.items()} == dict(
        zip(photo_files.DOMAINS, [7, 6, 5, 5, 5, 5], strict=True)
    )
    assert torch.equal(torch.cat(list(data.owned.values())).sort().values, torch.arange(33))
    assert {name: len(samples) for name, samples in data.splits.items()} == {"train": 21, "test": 12}
    assert data.class_names["sketch"] == ("ant", "bee", "the Eiffel Tower")
    sketches = data.owned["sketch"]
    batch = data.batch(sketches, CPU)
    assert list(batch.inputs) == list(batch.targets) == ["sketch"]
    assert batch.targets["sketch"].tolist() == [0, 1, 2, 0, 1]
    assert torch.equal(data.labels("sketch")[sketches], batch.targets["sketch"])


def test_pictures_are_those_of_the_lists(root: Path, make: Make) -> None:
    for name in ("painting_train_0", "painting_train_1"):
        path = next(root.glob(f"painting/*/{name}.jpg"))
        Image.fromarray(np.full((20, 24, 3), 200 if name.endswith("1") else 50, np.uint8)).save(path, format="PNG")
    data = make(tasks=("painting",))
    grey = [50, 200]
    for sample, level in zip(data.splits["train"][:2].tolist(), grey, strict=True):
        found = data.batch(torch.tensor([sample]), CPU).inputs["painting"]
        assert found.mean((0, 2, 3)).tolist() == pytest.approx(
            [
                (level / 255 - mean) / std
                for mean, std in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
            ],
            abs=1e-5,
        )


def test_a_domain_that_is_not_asked_for_need_not_be_there(root: Path, make: Make) -> None:
    (root / "sketch_train.txt").unlink()
    assert list(make(tasks=("real", "clipart")).tasks) == ["real", "clipart"]
    with pytest.raises(
        DataError, match=r"sketch_train\.txt is missing; expected the train pictures of the domain sketch"
    ):
        make()


def test_lists_lie_beside_the_pictures_as_in_the_released_code(root: Path, make: Make) -> None:
    for domain in photo_files.DOMAINS:
        for split in ("train", "test"):
            (root / f"{domain}_{split}.txt").rename(root / domain / f"{split}.txt")
    assert len(make().splits["train"]) == 21


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("real/ant/real_train_0.jpg", r"real_train\.txt: line 1: found 'real/ant/real_train_0\.jpg'; expected"),
        ("real/ant/real_train_0.jpg -1", r"line 1: found 'real/ant/real_train_0\.jpg -1'"),
        ("real/ant/real_train_0.jpg x", "line 1: found"),
        ("real/ant/nowhere.jpg 0", r"nowhere\.jpg is missing"),
        ("real/ant/real_train_0.jpg 1", r"found label 1 for .* and for pictures of ant|found label 1 for real/bee"),
    ],
)
def test_a_wrong_line_is_named(root: Path, make: Make, line: str, message: str) -> None:
    path = root / "real_train.txt"
    path.write_text("\n".join([path.read_text().splitlines()[0], line]) + "\n")
    with pytest.raises(DataError, match=message):
        make()


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_broken_picture_is_named(root: Path, make: Make, content: bytes) -> None:
    next(root.glob("clipart/bee/*")).write_bytes(content)
    with pytest.raises(DataError, match=r"clipart/bee/.*\.jpg"):
        make()


def test_a_missing_root_and_an_empty_list(tmp_path: Path, make: Make) -> None:
    with pytest.raises(DataError, match=r"does not exist; expected a folder with real_train\.txt"):
        make()
    photo_files.domains(tmp_path / "data")
    (tmp_path / "data" / "quickdraw_test.txt").write_text("\n")
    with pytest.raises(DataError, match=r"quickdraw_test\.txt: found no lines"):
        make()
