import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from runner.datasets.dense import default_crop
from runner.datasets.nyu import NYU
from runner.errors import ConfigurationError, DataError
from runner.preparation import colours_of

Make = Callable[..., NYU]
CPU = torch.device("cpu")
CONFIGURATION = Path(__file__).resolve().parents[3] / "conf" / "dataset" / "nyu.yaml"
ALL = torch.arange(5)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_key_has_a_rule() -> None:
    content = yaml.safe_load(CONFIGURATION.read_text())
    assert {key for key in content if key[0] != "_"} == set(content["_rules_"])


@pytest.mark.parametrize(
    ("size", "crop"),
    [
        ((480, 640), (321, 321)),
        ((240, 320), (225, 225)),
        ((288, 384), (257, 257)),
        ((321, 900), (321, 321)),
        ((320, 900), (289, 289)),
        ((33, 40), (33, 33)),
        ((24, 32), (24, 32)),
    ],
)
def test_default_crop(size: tuple[int, int], crop: tuple[int, int]) -> None:
    assert default_crop(size) == crop


def test_the_chosen_tasks_in_their_order(adashare_root: Path, make: Make) -> None:
    data = make(adashare_root, tasks=("depth", "segmentation"))
    assert list(data.tasks) == ["depth", "segmentation"]
    assert list(data.batch(ALL, CPU).targets) == ["depth", "segmentation"]


def test_frames_have_no_class(adashare_root: Path, make: Make) -> None:
    message = "samples have no class in task 'depth', nor in any other of this dataset; use a dataset with a label task"
    with pytest.raises(ConfigurationError, match=f"^{message}$"):
        make(adashare_root).labels("depth")


@pytest.mark.parametrize("augment", ["standard", "official", "none"])
@pytest.mark.parametrize("resolution", [None, [12, 20]])
def test_a_frame_is_prepared_as_it_is_measured(
    adashare_root: Path, make: Make, augment: str, resolution: list[int] | None
) -> None:
    data = make(adashare_root, augment=augment, resolution=resolution)
    found = data.preparation(colours_of(adashare_root / "img" / "0003.png"))
    measured = data.batch(torch.tensor([3]), CPU).inputs
    # Pillow resizes in whole grey levels, columns and then rows: half of one off each time; 57 are the unit but in "official"
    limit = (1 if augment == "official" else 1 / 57) if resolution else 0
    torch.testing.assert_close(found, measured, atol=limit + 1e-4, rtol=0)


def test_variants_reach_the_tasks(adashare_root: Path, make: Make) -> None:
    data = make(adashare_root, metrics="official", normals="raw")
    assert data.tasks["segmentation"].metrics == data.tasks["depth"].metrics == "official"
    assert data.tasks["normals"].coding == "raw"


def test_crops_are_a_function_of_the_generator_and_the_samples(adashare_root: Path, make: Make) -> None:
    data = make(adashare_root, crop=[10, 12])
    first, again, other = (data.batch(ALL, CPU, seeded(seed)) for seed in (1, 1, 2))
    assert first.inputs.shape == (5, 3, 10, 12)
    assert first.inputs.dtype == torch.float32
    assert torch.equal(first.inputs, again.inputs)
    assert all(torch.equal(first.targets[name], again.targets[name]) for name in data.tasks)
    assert not torch.equal(first.inputs, other.inputs)


def test_standard_augmentation_follows_the_geometry(adashare_root: Path, make: Make) -> None:
    data = make(adashare_root, crop=[60, 80], zoom=[1.25, 1.25])
    plain = data.batch(ALL, CPU).targets
    inputs, targets, *_ = data.batch(ALL, CPU, seeded())
    for sample in range(5):
        # Scaled to 30 x 40 pixels and centred in 60 x 80.
        seen = targets["depth"][sample, 0, 15:45, 20:60]
        assert seen.amax() <= plain["depth"][sample].amax() / 1.25
        assert targets["depth"][sample].count_nonzero() == seen.count_nonzero() == 30 * 40
        assert not inputs[sample, :, :15].any()
        assert (targets["segmentation"][sample, :15] == 255).all()
    lengths = targets["normals"].square().sum(1).sqrt()
    assert ((lengths == 0) | ((lengths - 1).abs() < 1e-6)).all()


def test_official_augmentation_keeps_values_and_pads_with_black(adashare_root: Path, make: Make) -> None:
    data = make(adashare_root, crop=[60, 80], zoom=[1.25, 1.25], augment="official")
    plain = data.batch(ALL, CPU).targets
    inputs, targets, *_ = data.batch(ALL, CPU, seeded())
    black = -torch.tensor([104.00698793, 116.66876762, 122.67891434])
    assert torch.equal(inputs[:, :, 0, 0], black.expand(5, 3))
    for sample in range(5):
        seen = targets["depth"][sample, 0, 15:45, 20:60]
        assert torch.isin(seen, plain["depth"][sample]).all()
        before = plain["normals"][sample].flatten(1).T.unique(dim=0)
        after = targets["normals"][sample, :, 15:45, 20:60].flatten(1).T.unique(dim=0)
        assert {tuple(vector) for vector in after.tolist()} <= {tuple(vector) for vector in before.tolist()}


def test_without_augmentation_training_batches_are_whole(adashare_root: Path, make: Make) -> None:
    data = make(adashare_root, augment="none")
    trained, evaluated = data.batch(ALL, CPU, seeded()), data.batch(ALL, CPU)
    assert torch.equal(trained.inputs, evaluated.inputs)
    assert torch.equal(trained.inputs, make(adashare_root).batch(ALL, CPU).inputs)


def test_another_resolution(adashare_root: Path, make: Make) -> None:
    data = make(adashare_root, resolution=[12, 16])
    assert data.about["resolution"] == [12, 16]
    whole = make(adashare_root, augment="official").batch(ALL, CPU)
    inputs, targets, *_ = make(adashare_root, resolution=[12, 16], augment="official").batch(ALL, CPU)
    assert inputs.shape == (5, 3, 12, 16)
    # Labels are those of the pixel right below the new one's centre.
    for name, target in whole.targets.items():
        assert torch.equal(targets[name], target[..., 1::2, 1::2])
    # Smooth images shrink to the mean of what each pixel covers, up to rounding and the filter's wider support.
    covered = torch.nn.functional.avg_pool2d(whole.inputs, 2)
    assert (inputs - covered).abs()[..., 1:-1, 1:-1].max() < 3


def test_derived_normals_replace_the_given_ones(adashare_root: Path, make: Make) -> None:
    given, derived = make(adashare_root), make(adashare_root, derive_normals=True)
    assert given.about["normals"] == "as distributed"
    assert derived.about["normals"] == "derived from depth (plane fits)"
    one, other = (data.batch(ALL, CPU).targets for data in (given, derived))
    assert torch.equal(one["depth"], other["depth"])
    assert not torch.equal(one["normals"], other["normals"])


def test_a_missing_root_says_what_to_put_where(tmp_path: Path, make: Make) -> None:
    with pytest.raises(DataError) as raised:
        make(tmp_path / "nowhere")
    message = str(raised.value)
    assert message.startswith(f"dataset.root={tmp_path / 'nowhere'} does not exist; put there one of")
    for part in ("nyu_v2_3task.json", "nyu_depth_v2_labeled.mat, splits.mat and classMapping40.mat", "train/ and val/"):
        assert part in message


@pytest.mark.parametrize(("kind", "found"), [("file", "is a file"), ("folder", "holds none of them")])
def test_a_wrong_root(tmp_path: Path, make: Make, kind: str, found: str) -> None:
    root = tmp_path / "root"
    root.touch() if kind == "file" else root.mkdir()
    with pytest.raises(DataError, match=found):
        make(root)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("resolution", [240], "dataset.resolution=[240] has 1 numbers; expected [height, width]"),
        ("crop", [1, 2, 3], "dataset.crop=[1, 2, 3] has 3 numbers; expected [height, width]"),
        ("crop", [], "dataset.crop=[] has 0 numbers"),
        ("zoom", [1.5, 0.5], "dataset.zoom=[1.5, 0.5]; expected [lowest, highest]"),
        ("zoom", [1.0], "dataset.zoom=[1.0]; expected [lowest, highest]"),
    ],
)
def test_sizes_that_are_no_pairs(adashare_root: Path, make: Make, key: str, value: list[int], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        make(adashare_root, **{key: value})
