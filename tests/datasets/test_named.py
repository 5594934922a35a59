"""Photographs by the lists of four data sets, wherever their folders lie."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from runner.datasets.aircraft import Aircraft
from runner.datasets.cars import Cars196
from runner.datasets.dogs import Dogs
from runner.datasets.mit67 import Mit67
from runner.datasets.photos import LabelledPhotos
from runner.errors import ConfigurationError, DataError
from tests.datasets.layouts import list_files

CPU = torch.device("cpu")


def build(kind: type[Any], root: Path, **options: Any) -> LabelledPhotos:
    settings = {"size": 16, "stored": None, "retrieval": False, "tasks": ("class",), "scale": 1.0, **options}
    data: LabelledPhotos = kind(root=str(root), cache=root.parent / "cache", **settings)
    return data


def made(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    return root


def found(data: LabelledPhotos) -> dict[str, list[tuple[str, str]]]:
    """File and name of its class, of each split."""
    labels = data.batch(torch.arange(len(data.names)), CPU).targets["class"].tolist()
    return {
        split: [(Path(data.names[i]).name, data.class_names["class"][labels[i]]) for i in samples.tolist()]
        for split, samples in data.splits.items()
    }


def test_aircraft_are_of_the_variants_in_their_order(tmp_path: Path) -> None:
    root = made(tmp_path)
    list_files.aircraft(root)
    data = build(Aircraft, root)
    assert data.class_names["class"] == list_files.VARIANTS
    named = {"train": "train", "validation": "val", "test": "test"}
    expected = {
        split: [(f"{image}.jpg", variant) for image, variant in list_files.AIRCRAFT[short]]
        for split, short in named.items()
    }
    assert found(data) == expected


def test_rooms_are_of_the_folders_of_the_training_list(tmp_path: Path) -> None:
    root = list_files.rooms(made(tmp_path))
    expected = {
        "train": [("bt_1.jpg", "gameroom"), ("a b.jpg", "airport inside"), ("c.jpg", "airport inside")],
        "test": [("d.jpg", "airport inside"), ("e.jpg", "gameroom")],
    }
    assert found(build(Mit67, root)) == expected
    (root / "indoorCVPR_09").mkdir()
    shutil.move(root / "Images", root / "indoorCVPR_09" / "images")  # as others pack it
    assert found(build(Mit67, root)) == expected


def test_dogs_are_of_breeds(tmp_path: Path) -> None:
    root = list_files.breeds(made(tmp_path))
    data = build(Dogs, root)
    assert found(data) == {
        "train": [("n02085620_1.jpg", "Chihuahua"), ("n02116738_2.jpg", "African hunting dog")],
        "test": [("n02116738_3.jpg", "African hunting dog"), ("n02085620_4.jpg", "Chihuahua")],
    }
    assert data.class_names["class"] == ("Chihuahua", "African hunting dog")
    shutil.move(root / "Images", root / "moved")
    (root / "images").mkdir()
    shutil.move(root / "moved", root / "images" / "Images")  # as Kaggle packs it
    assert build(Dogs, root).names[0] == "images/Images/n02085620-Chihuahua/n02085620_1.jpg"


@pytest.mark.parametrize(
    ("write", "files"),
    [
        (list_files.cars, [["00001.jpg", "00002.jpg", "00003.jpg"], ["00001.jpg", "00002.jpg"]]),
        (list_files.cars_together, [["000001.jpg", "000002.jpg", "000003.jpg"], ["000004.jpg", "000005.jpg"]]),
    ],
)
def test_cars_are_the_same_by_either_form(tmp_path: Path, write: Any, files: list[list[str]]) -> None:
    data = build(Cars196, write(made(tmp_path)))
    names = [[list_files.MODELS[number - 1] for _, number in list_files.CARS[split]] for split in ("train", "test")]
    assert found(data) == {
        split: list(zip(own, classes, strict=True))
        for split, own, classes in zip(("train", "test"), files, names, strict=True)
    }
    assert data.class_names["class"] == list_files.MODELS


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Aircraft, "variants.txt is missing; expected images/, variants.txt"),
        (Mit67, "TrainImages.txt is missing; expected TrainImages.txt, TestImages.txt and Images/"),
        (Dogs, r"train_list.mat is missing; .*lists.tar\) .*; images.tar lies there packed: unpack it"),
        (Cars196, "cars_meta.mat is missing; expected cars_annos.mat and car_ims/, or cars_meta.mat"),
    ],
)
def test_an_empty_folder_is_told_what_it_lacks(tmp_path: Path, kind: type[Any], said: str) -> None:
    root = made(tmp_path)
    (root / "images.tar").write_text("packed")
    with pytest.raises(DataError, match=said):
        build(kind, root)


def test_photographs_that_are_not_there_are_missed_by_the_first_of_the_list(tmp_path: Path) -> None:
    root = list_files.breeds(made(tmp_path))
    shutil.rmtree(root / "Images")
    with pytest.raises(DataError, match=r"Images/n02085620-Chihuahua is missing, which .*train_list.mat names first"):
        build(Dogs, root)


def test_a_list_of_another_kind_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    root = list_files.cars(made(tmp_path))
    annotations = root / "devkit" / "cars_train_annos.mat"
    list_files.savemat(annotations, {"annotations": list_files.structures([{"fname": "00001.jpg"}])})
    with pytest.raises(DataError, match=r"holds annotations of fname; expected annotations.class; download it again"):
        build(Cars196, root)


def test_without_scipy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = list_files.breeds(made(tmp_path))
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(ConfigurationError, match=r'pip install "runner\[flowers\]"'):
        build(Dogs, root)
