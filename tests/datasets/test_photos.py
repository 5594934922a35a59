import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from runner.datasets import crops
from runner.datasets.cub import Cub200
from runner.datasets.flowers import Flowers102, read_matrices
from runner.datasets.image_folder import ImageFolder
from runner.datasets.photos import IMAGENET
from runner.errors import ConfigurationError, DataError
from runner.preparation import colours_of
from runner.tasks.classification import Classification
from tests.datasets.layouts.photo_files import CUB, cub, flowers, folders, photo

CPU = torch.device("cpu")


def build(kind: type[Any], root: Path, cache: Path, size: int = 16, stored: int | None = None, **options: Any) -> Any:
    settings = {"size": size, "stored": stored, "retrieval": False, "tasks": ("class",), "scale": 1.0, **options}
    return kind(root=str(root), cache=cache, **settings)


def colours(images: torch.Tensor) -> torch.Tensor:
    """Undo the normalisation: 0..255."""
    mean, std = (torch.tensor(values)[:, None, None] for values in IMAGENET)
    return (images * std + mean) * 255


def test_image_folder_reads_classes_by_name(tmp_path: Path) -> None:
    dataset = build(ImageFolder, folders(tmp_path / "photos"), tmp_path / "cache")
    assert {name: samples.tolist() for name, samples in dataset.splits.items()} == {"train": [0, 1, 2], "test": [3]}
    assert dataset.class_names["class"] == ("ash", "oak")
    assert dataset.tasks["class"].channels == 2
    batch = dataset.batch(torch.tensor([3, 0]), CPU)
    assert batch.targets["class"].tolist() == [1, 0]
    assert batch.inputs.shape == (2, 3, 16, 16)
    assert batch.inputs.is_contiguous()


@pytest.mark.parametrize("sides", [(30, 40), (60, 31), (16, 16), (9, 12)])
def test_a_file_is_prepared_as_it_is_measured(tmp_path: Path, sides: tuple[int, int]) -> None:
    root = folders(tmp_path / "photos")
    photo(root / "test" / "oak" / "7.jpeg", *sides, 5)
    dataset = build(ImageFolder, root, tmp_path / "cache", stored=100)
    found = dataset.preparation(colours_of(root / "test" / "oak" / "7.jpeg"))
    torch.testing.assert_close(found, dataset.batch(torch.tensor([3]), CPU).inputs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_image_folder_without_test_measures_on_its_second_split(tmp_path: Path, name: str) -> None:
    root = folders(tmp_path / "photos")
    (root / "test").rename(root / name)
    assert list(build(ImageFolder, root, tmp_path / "cache").splits) == ["train", "test"]


def test_evaluation_is_resize_and_centre_crop_of_the_file(tmp_path: Path) -> None:
    root = folders(tmp_path / "photos")
    pixels = photo(root / "test" / "oak" / "7.jpeg", 30, 40, 5)
    image = colours(build(ImageFolder, root, tmp_path / "cache").batch(torch.tensor([3]), CPU).inputs)[0]
    # Side 16: the shorter side becomes round(16 256 / 224) = 18, the longer 18 40 / 30 = 24; crop at 1 and 4.
    whole = torch.tensor(pixels).permute(2, 0, 1)[None].double()
    expected = F.interpolate(whole, size=(18, 24), mode="bilinear", antialias=True)[0, :, 1:17, 4:20]
    torch.testing.assert_close(image.double(), expected, atol=1e-3, rtol=0)


def test_training_batches_are_resampled_crops_some_mirrored(tmp_path: Path) -> None:
    root = folders(tmp_path / "photos")
    pixels = [photo(root / "train" / name, 20 + 9 * n, 40 - n, n) for n, name in enumerate(("ash/1.jpg", "ash/2.PNG"))]
    dataset = build(ImageFolder, root, tmp_path / "cache", stored=64)
    samples = torch.tensor([0, 1] * 10)
    images = colours(dataset.batch(samples, CPU, torch.Generator().manual_seed(3)).inputs)
    generator = torch.Generator().manual_seed(3)
    boxes = crops.random_boxes(torch.tensor([pixels[n].shape[:2] for n in samples.tolist()]), generator).tolist()
    flips = crops.random_flips(20, generator).tolist()
    assert 4 <= sum(flips) <= 16
    for image, number, (top, left, height, width), flip in zip(images, samples.tolist(), boxes, flips, strict=True):
        crop = torch.tensor(pixels[number][top : top + height, left : left + width]).permute(2, 0, 1)[None].double()
        expected = F.interpolate(crop, size=(16, 16), mode="bilinear", antialias=True)[0]
        expected = expected.flip(2) if flip else expected
        torch.testing.assert_close(image.double(), expected, atol=1e-3, rtol=0)
    again = colours(dataset.batch(samples, CPU, torch.Generator().manual_seed(3)).inputs)
    assert torch.equal(images, again)


@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(1)])
def test_everything_is_on_the_device_asked_for(tmp_path: Path, generator: torch.Generator | None) -> None:
    # The meta device refuses to work with tensors of another, as a GPU would.
    dataset = build(ImageFolder, folders(tmp_path / "photos"), tmp_path / "cache")
    batch = dataset.batch(torch.arange(3), torch.device("meta"), generator)
    assert batch.inputs.device.type == batch.targets["class"].device.type == "meta"
    assert batch.inputs.shape == (3, 3, 16, 16)


def test_large_photographs_are_stored_smaller_and_small_ones_untouched(tmp_path: Path) -> None:
    root = folders(tmp_path / "photos")
    pixels = photo(root / "train" / "ash" / "1.jpg", 100, 150, 9)
    small = photo(root / "train" / "ash" / "2.PNG", 30, 90, 8)
    build(ImageFolder, root, tmp_path / "cache", stored=40)
    (folder,) = (tmp_path / "cache").glob("image_folder-*40px")
    sides, flat = np.load(folder / "sides.npy"), np.fromfile(folder / "pixels.u8", np.uint8)
    assert sides[:2].tolist() == [[40, 60], [30, 90]]
    reduced = np.asarray(Image.fromarray(pixels).resize((60, 40), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(flat[: 40 * 60 * 3].reshape(40, 60, 3), reduced)
    np.testing.assert_array_equal(flat[40 * 60 * 3 :][: 30 * 90 * 3].reshape(30, 90, 3), small)


def test_stored_defaults_to_twice_the_resize(tmp_path: Path) -> None:
    dataset = build(ImageFolder, folders(tmp_path / "photos"), tmp_path / "cache", size=224)
    assert dataset.about["stored shorter side"] == 512


def test_grey_and_palette_images_become_colour(tmp_path: Path) -> None:
    root = folders(tmp_path / "photos")
    for mode, name in (("L", "1.jpg"), ("P", "2.PNG")):
        pixels = photo(root / "train" / "ash" / name, 18, 18, 4, mode)
        sample = torch.tensor([0 if mode == "L" else 1])
        image = colours(build(ImageFolder, root, tmp_path / "cache").batch(sample, CPU).inputs)[0]
        np.testing.assert_array_equal(image.permute(1, 2, 0).round().byte().numpy(), pixels[1:17, 1:17])


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    root = folders(tmp_path / "photos")
    before = build(ImageFolder, root, tmp_path / "cache").batch(torch.tensor([0]), CPU).inputs
    photo(root / "train" / "ash" / "1.jpg", 40, 40, 77)
    assert not torch.equal(build(ImageFolder, root, tmp_path / "cache").batch(torch.tensor([0]), CPU).inputs, before)


def test_image_folder_faults(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist; expected a folder with train/<class>"):
        build(ImageFolder, tmp_path / "nowhere", tmp_path)
    root = folders(tmp_path / "photos")
    (root / "test").rename(root / "other")
    with pytest.raises(DataError, match="holds other, train; expected train/<class>"):
        build(ImageFolder, root, tmp_path)
    (root / "other").rename(root / "test")
    photo(root / "test" / "yew" / "1.jpg")
    with pytest.raises(DataError, match=r"test/yew: class 'yew' is no folder of train/; expected one of ash, oak"):
        build(ImageFolder, root, tmp_path)
    (root / "test" / "yew" / "1.jpg").unlink()
    (root / "test" / "yew").rename(root / "train" / "yew")
    with pytest.raises(DataError, match=r"train/yew holds no image; expected files ending in .jpg"):
        build(ImageFolder, root, tmp_path)


@pytest.mark.parametrize("size", [0, 20, 300])
def test_damaged_images_are_named(tmp_path: Path, size: int) -> None:
    root = folders(tmp_path / "photos")
    path = root / "train" / "oak" / "1.jpg"
    Image.open(path).save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"train/oak/1.jpg (has 0 bytes|\(\d+ bytes\) is not a whole image)"):
        build(ImageFolder, root, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("image_folder*"))


@pytest.mark.parametrize("place", ["", "CUB_200_2011"])
def test_cub_reads_the_official_lists(tmp_path: Path, place: str) -> None:
    cub(tmp_path / "data" / place)
    dataset = build(Cub200, tmp_path / "data", tmp_path / "cache", train_flag=1)
    assert [len(dataset.splits[split]) for split in ("train", "test")] == [2, 1]
    assert dataset.batch(torch.arange(3), CPU).targets["class"].tolist() == [0, 1, 0]
    assert dataset.class_names["class"] == ("Black footed Albatross", "Laysan")
    reversed_flag = build(Cub200, tmp_path / "data", tmp_path / "cache", train_flag=0)
    assert [len(reversed_flag.splits[split]) for split in ("train", "test")] == [1, 2]


def test_cub_lists_that_look_the_wrong_way_round_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cub(tmp_path / "data")
    build(Cub200, tmp_path / "data", tmp_path / "cache", train_flag=1)
    assert not caplog.records
    build(Cub200, tmp_path / "data", tmp_path / "cache", train_flag=0)
    assert caplog.messages == [
        f"{tmp_path / 'data' / 'train_test_split.txt'}: fewer images for training (1) than for testing (2); "
        "dataset.train_flag=1 takes them the other way round"
    ]


def test_cub_reads_comma_separated_lists_from_zero(tmp_path: Path) -> None:
    root = cub(
        tmp_path / "data",
        **{
            "images.txt": CUB["images.txt"].replace("1 0", "0, 0", 1).replace("2 0", "1, 0", 1).replace("3 0", "2, 0"),
            "image_class_labels.txt": "0, 0\n1, 0\n2, 1\n",
            "classes.txt": "0, Black_footed_Albatross\n1, Laysan\n",
            "train_test_split.txt": "0, 0\n1, 1\n2, 0\n",
        },
    )
    dataset = build(Cub200, root, tmp_path / "cache", train_flag=0)
    assert dataset.batch(dataset.splits["train"], CPU).targets["class"].tolist() == [0, 1]


CUB_FAULTS = {
    "missing list": ({"classes.txt": None}, r"classes.txt is missing; expected images.txt, image_class_labels.txt"),
    "no bytes": ({"classes.txt": ""}, "classes.txt has 0 bytes"),
    "broken line": ({"images.txt": "1 a.jpg\nrubbish\n"}, "images.txt, line 2: 'rubbish' is not 'id value'"),
    "repeated id": ({"classes.txt": "1 a\n1 b\n"}, "classes.txt, line 2: '1 b' repeats an id"),
    "counts": (
        {"train_test_split.txt": "1 1\n2 0\n"},
        r"split.txt has 2 lines and .*images.txt 3; .* id 3 is in one alone",
    ),
    "class": (
        {"image_class_labels.txt": "1 1\n2 9\n3 2\n"},
        "class 9 of image 2; expected an id of classes.txt, 1 to 2",
    ),
    "flag": ({"train_test_split.txt": "1 1\n2 2\n3 0\n"}, "flag 2 of image 2; expected 0 or 1"),
    "one split": ({"train_test_split.txt": "1 1\n2 1\n3 1\n"}, "leaves no test images with dataset.train_flag=1"),
}


@pytest.mark.parametrize("fault", CUB_FAULTS)
def test_cub_faults(tmp_path: Path, fault: str) -> None:
    changed, message = CUB_FAULTS[fault]
    with pytest.raises(DataError, match=message):
        build(Cub200, cub(tmp_path / "data", **changed), tmp_path / "cache", train_flag=1)


def test_cub_missing_photograph(tmp_path: Path) -> None:
    root = cub(tmp_path / "data")
    (root / "images" / "002.Laysan" / "c.jpg").unlink()
    with pytest.raises(DataError, match=r"002.Laysan/c.jpg is missing; it is listed"):
        build(Cub200, root, tmp_path / "cache", train_flag=1)


def test_flowers_by_matrices(tmp_path: Path) -> None:
    dataset = build(Flowers102, flowers(tmp_path / "data"), tmp_path / "cache")
    assert {name: len(samples) for name, samples in dataset.splits.items()} == {"train": 3, "validation": 1, "test": 4}
    assert dataset.batch(torch.arange(8), CPU).targets["class"].tolist() == [0, 101, 2, 3, 7, 4, 5, 6]
    assert dataset.tasks["class"].channels == 102


def test_flowers_by_lists_number_labels_in_their_order(tmp_path: Path) -> None:
    dataset = build(Flowers102, flowers(tmp_path / "data", by_lists=True), tmp_path / "cache")
    assert dataset.batch(torch.arange(6), CPU).targets["class"].tolist() == [0, 1, 2, 1, 2, 0]
    assert dataset.class_names["class"] == ("flower 5", "flower 9", "flower 30")


def test_flowers_faults(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data does not exist; expected a folder with jpg/"):
        build(Flowers102, tmp_path / "data", tmp_path)
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match=r"data/jpg is missing; expected jpg/"):
        build(Flowers102, tmp_path / "data", tmp_path)
    for number, (matrices, message) in enumerate(
        (
            ({"labels": np.array([[1, 2, 103]], np.uint8)}, "imagelabels.mat: label 103 at index 2; expected 1 to 102"),
            ({"valid": [[9]]}, "setid.mat: found image 9 at index 0 of valid; expected 1 to 8, the number of labels"),
            ({"labels": np.array([[0.5]])}, "imagelabels.mat holds labels; expected integers under 'labels'"),
        )
    ):
        with pytest.raises(DataError, match=message):
            build(Flowers102, flowers(tmp_path / str(number), **matrices), tmp_path)
    root = flowers(tmp_path / "cut")
    (root / "setid.mat").write_bytes((root / "setid.mat").read_bytes()[:150])
    with pytest.raises(DataError, match=r"setid.mat \(150 bytes\) is not a whole .mat file"):
        build(Flowers102, root, tmp_path)
    (root / "setid.mat").unlink()
    with pytest.raises(DataError, match=r"setid.mat is missing; expected jpg/"):
        build(Flowers102, root, tmp_path)


def test_flowers_list_faults(tmp_path: Path) -> None:
    root = flowers(tmp_path / "data", by_lists=True)
    (root / "lists" / "val.csv").write_text("file_name,label\nimage_00001.jpg,6\n")
    with pytest.raises(DataError, match=r"val.csv: label 6 of image_00001.jpg at index 0; expected a label of trn.csv"):
        build(Flowers102, root, tmp_path)
    (root / "lists" / "val.csv").write_text("name,label\nimage_00001.jpg,6\n")
    with pytest.raises(DataError, match=r"val.csv, index 0: found .*; expected the columns file_name,label"):
        build(Flowers102, root, tmp_path)
    (root / "lists" / "val.csv").write_text("file_name,label\n")
    with pytest.raises(DataError, match=r"val.csv has no rows"):
        build(Flowers102, root, tmp_path)
    (root / "lists" / "val.csv").unlink()
    with pytest.raises(DataError, match=r"val.csv is missing; expected jpg/"):
        build(Flowers102, root, tmp_path)


def test_flowers_without_scipy_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = flowers(tmp_path / "data")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(ConfigurationError, match=r'pip install "runner\[flowers\]", or give lists/trn.csv'):
        build(Flowers102, root, tmp_path)


def test_the_official_flower_matrices(shared: Path) -> None:
    splits, names = read_matrices(shared / "data" / "flowers102_splits")
    assert {name: len(photos.paths) for name, photos in splits.items()} == {
        "train": 1020,
        "validation": 1020,
        "test": 6149,
    }
    assert len({path for photos in splits.values() for path in photos.paths}) == 8189
    assert np.bincount(splits["train"].labels).tolist() == [10] * 102
    assert len(names) == 102
    # The first photographs are of the 77th flower, and belong to the test split.
    assert splits["test"].labels[[path.name for path in splits["test"].paths].index("image_00001.jpg")] == 76


def test_real_flowers(shared: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    with zipfile.ZipFile(shared / "data" / "flowers12" / "flowers12_128px.zip") as packed:
        packed.extractall(root)
    dataset = build(ImageFolder, root, tmp_path / "cache", size=64)
    assert [len(dataset.splits[split]) for split in ("train", "test")] == [720, 240]
    batch = dataset.batch(dataset.splits["train"], CPU, torch.Generator().manual_seed(0))
    assert torch.bincount(batch.targets["class"]).tolist() == [60] * 12
    # Photographs have roughly ImageNet's statistics.
    assert batch.inputs.mean().item() == pytest.approx(0, abs=0.5)
    assert batch.inputs.std().item() == pytest.approx(1, abs=0.3)


def test_real_birds_with_the_reversed_flag(shared: Path, tmp_path: Path) -> None:
    root, classes = tmp_path / "data", range(3)
    with zipfile.ZipFile(shared / "data" / "cub100" / "cub100_128px.zip") as packed:
        packed.extractall(root, [name for name in packed.namelist() if name.endswith(".txt")])
        lists = {name: (root / name).read_text().splitlines() for name in CUB}
        kept = [line.split(", ")[0] for line in lists["image_class_labels.txt"] if int(line.split(", ")[1]) in classes]
        for name, lines in lists.items():
            wanted = [str(number) for number in classes] if name == "classes.txt" else kept
            (root / name).write_text("\n".join(line for line in lines if line.split(", ")[0] in wanted))
        photographs = [line.split(", ")[1] for line in (root / "images.txt").read_text().splitlines()]
        packed.extractall(root, [f"images/{name}" for name in photographs])
    dataset = build(Cub200, root, tmp_path / "cache", size=64, train_flag=0)
    labels = dataset.batch(dataset.splits["train"], CPU).targets["class"]
    assert set(torch.bincount(labels).tolist()) <= {29, 30}
    assert dataset.class_names["class"] == ("Black footed Albatross", "Groove billed Ani", "Parakeet Auklet")


def test_retrieval_trains_on_the_first_half_of_the_classes_and_is_measured_on_the_other(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for number, name in enumerate(("ash", "elm", "fir", "oak", "yew")):
        for split in ("train", "test"):
            photo(root / split / name / "1.jpg", seed=number)
    dataset = build(ImageFolder, root, tmp_path / "cache", retrieval=True)
    assert dataset.tasks["class"] == Classification(2, judged_by="neighbours")
    labels = {name: dataset.labels("class")[samples].tolist() for name, samples in dataset.splits.items()}
    assert labels == {"train": [0, 1, 0, 1], "test": [2, 3, 4, 2, 3, 4]}
    assert dataset.class_names["class"] == ("ash", "elm", "fir", "oak", "yew")


def test_retrieval_needs_classes_to_train_on_and_others_to_tell_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"dataset.retrieval=true trains on half .* there are 2; it needs 4"):
        build(ImageFolder, folders(tmp_path / "photos"), tmp_path / "cache", retrieval=True)
