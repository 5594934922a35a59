"""Taskonomy in its two layouts: AdaShare's codes, what is divided how, what is refused."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from runner.datasets.taskonomy import Taskonomy
from runner.errors import DataError
from tests.datasets.layouts import taskonomy_files

CONFIGURATION = Path(__file__).resolve().parents[2] / "conf" / "dataset" / "taskonomy.yaml"
TASKS = ("segmentation", "normals", "depth", "keypoints", "edges")
CPU, FIRST = torch.device("cpu"), torch.tensor([0])
Make = Callable[..., Taskonomy]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(root: Path, **changes: object) -> Taskonomy:
        content = yaml.safe_load(CONFIGURATION.read_text())
        keys = {key: value for key, value in content.items() if key[0] != "_"}
        given = {"root": str(root), "cache": tmp_path / "cache", "scale": 1.0, "tasks": TASKS, "resolution": [24, 24]}
        return Taskonomy(**{**keys, **given, **changes})

    return build


def test_buildings_are_divided_as_the_list_says(tmp_path: Path, make: Make) -> None:
    data = make(taskonomy_files.official(tmp_path / "root"))
    assert {name: len(samples) for name, samples in data.splits.items()} == {"train": 4, "validation": 2, "test": 2}
    assert list(data.batch(FIRST, CPU).targets) == list(TASKS)


def test_targets_have_the_codes_of_adashare(tmp_path: Path, make: Make) -> None:
    root = taskonomy_files.adashare(tmp_path / "root")
    data = make(root)
    targets = {name: target[0] for name, target in data.batch(FIRST, CPU).targets.items()}
    assert targets["segmentation"][0, :4].tolist() == [0, 0, 1, 16]  # of 0, 1, 2, 17
    assert targets["depth"][0, 0, :2].isnan().all()
    assert targets["depth"][0, 0, 2].item() == pytest.approx(math.log(513) / math.log(65536))  # 0.5626
    assert targets["normals"][:, 0, 0].tolist() == [0, 0, 0]
    assert targets["normals"][:, 0, 1].tolist() == pytest.approx([1, 0, 0], abs=0.01)
    for name, limit in (("keypoints", 0.005), ("edges", 0.08)):
        stored = np.asarray(Image.open(root / name / "0.png")).astype(float)
        expected = 2 * np.clip(stored / 65536, 0, limit) / limit - 1
        np.testing.assert_allclose(targets[name][0].numpy(), expected, atol=1e-6)
        assert targets[name].min() < targets[name].max() <= 1


def test_what_is_seen_larger_is_nearer_before_it_is_coded(tmp_path: Path, make: Make) -> None:
    data = make(taskonomy_files.official(tmp_path / "root"), crop=[48, 48], zoom=[2.0, 2.0])
    whole, seen = (data.batch(FIRST, CPU, generator).targets for generator in (None, torch.Generator().manual_seed(0)))
    metres, nearer = (torch.expm1(t["depth"][t["depth"].isfinite()] * math.log(65536)) for t in (whole, seen))
    assert nearer.max().item() == pytest.approx(metres.max().item() / 2, rel=1e-4)
    assert seen["keypoints"].max() == whole["keypoints"].max()


def test_outside_the_view_there_is_no_label(tmp_path: Path, make: Make) -> None:
    data = make(taskonomy_files.official(tmp_path / "root"), crop=[40, 40], zoom=[1.0, 1.0])
    targets = data.batch(FIRST, CPU, torch.Generator().manual_seed(0)).targets
    for name in ("depth", "keypoints", "edges"):
        assert targets[name][0, :, :8].isnan().all()
    assert (targets["segmentation"][0, :8] == 255).all()
    assert not targets["normals"][0, :, :8].any()


def test_classes_weigh_what_the_file_says(tmp_path: Path, make: Make) -> None:
    root = taskonomy_files.adashare(tmp_path / "root")
    assert make(root).tasks["segmentation"].weights == pytest.approx(np.linspace(0.5, 2, 17))
    assert {name: len(samples) for name, samples in make(root).splits.items()} == {
        "train": 3, "test": 1, "train1": 2, "train2": 1
    }  # fmt: skip
    np.save(root / "semseg_prior_factor.npy", np.ones(16))
    with pytest.raises(DataError, match=r"semseg_prior_factor\.npy .*shape \(16,\); expected .*\(17,\)"):
        make(root)
    (root / "semseg_prior_factor.npy").unlink()
    assert make(root).tasks["segmentation"].weights == ()


def test_only_what_is_asked_for_is_read(tmp_path: Path, make: Make) -> None:
    root = taskonomy_files.official(tmp_path / "root")
    (root / "keypoints2d").rename(tmp_path / "elsewhere")
    make(root, tasks=("depth", "edges"))
    with pytest.raises(DataError, match=r"keypoints2d/adrian/point_0_view_0_domain_keypoints2d\.png"):
        make(root)


FAULTS = {
    "empty": ("depth_zbuffer", b"", "found 0 bytes"),
    "cut": ("normal", slice(0, 300), "found a broken file"),
    "bytes": ("edge_texture", np.zeros((24, 24), np.uint8), "found 24 x 24 pixels, L; expected"),
    "classes": ("segment_semantic", np.full((24, 24), 18, np.uint8), "found label 18 at row 0, column 0"),
    "grey": ("rgb", np.zeros((24, 24), np.uint8), "found 24 x 24 pixels, L; expected"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_wrong_picture_is_named(tmp_path: Path, make: Make, case: str) -> None:
    root = taskonomy_files.official(tmp_path / "root")
    folder, content, message = FAULTS[case]
    (file,) = (root / folder / "bolton").glob("point_1*")
    if isinstance(content, np.ndarray):
        Image.fromarray(content).save(file)
    else:
        file.write_bytes(content if isinstance(content, bytes) else file.read_bytes()[content])
    with pytest.raises(DataError, match=re.escape(file.name) + r".*\(sample 3\): " + message):
        make(root)


def test_void_everywhere_is_fine(tmp_path: Path, make: Make) -> None:
    root = taskonomy_files.official(tmp_path / "root")
    for file in (root / "segment_semantic").rglob("*.png"):
        Image.fromarray(np.full((24, 24), 255, np.uint8)).save(file)
    data = make(root)
    target = data.batch(FIRST, CPU).targets["segmentation"]
    assert (target == 255).all()
    assert data.tasks["segmentation"].loss(torch.zeros(1, 17, 3, 3), target) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "found 0 .csv files; expected one with columns id, train, val, test"),
        ("building,train\nadrian,1\n", "found building, train; expected columns id, train, val, test"),
        (
            "id,train,val,test\nadrian,1,0,0\nelsewhere,0,0,1\n",
            "found no pictures of the test buildings of buildings.csv (elsewhere",
        ),
    ],
)
def test_buildings_that_nobody_divides(tmp_path: Path, make: Make, content: str | None, message: str) -> None:
    root = taskonomy_files.official(tmp_path / "root")
    (root / "train_val_test_tiny.csv").unlink()
    if content is not None:
        (root / "buildings.csv").write_text(content)
    with pytest.raises(DataError, match=re.escape(message)):
        make(root)


def test_a_missing_root_says_what_to_put_there(tmp_path: Path, make: Make) -> None:
    with pytest.raises(DataError, match=r"does not exist; put there one of\n.*taskonomy\.json .*\n.*segment_semantic"):
        make(tmp_path / "nowhere")


def test_the_paper_judges_by_cross_entropy_and_cosine(tmp_path: Path, make: Make) -> None:
    root = taskonomy_files.adashare(tmp_path / "root")
    counted = {name: list(task.higher_is_better) for name, task in make(root, metrics="official").tasks.items()}
    assert counted == {
        "segmentation": ["cross_entropy"],
        "normals": ["cosine"],
        **{name: ["error"] for name in TASKS[2:]},
    }
    assert list(make(root).tasks["segmentation"].higher_is_better) == ["miou", "pixel_accuracy"]
