"""Contents that cannot be right, in the small files of `tests.datasets.layouts`: every layout x every kind of fault."""

import json
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import scipy.io
from PIL import Image

from tests.datasets import layouts
from tests.datasets.layouts import (
    cifar_files,
    cityscapes_files,
    idx_files,
    list_files,
    nmnist_files,
    nyu_files,
    taskonomy_files,
)

LABEL, NOT_FINITE, SHAPE, FEWER, NONE, KIND = FAULTS = (
    "a label beyond the classes",
    "a number that is not finite",
    "another shape",
    "one fewer of one kind",
    "no sample",
    "no numbers",
)


class Cell(NamedTuple):
    """A file to damage, how, and what the message has to say beside the file's name."""

    file: str  # below the root; the message names it or, of a file that is then missing, its stem
    damage: Callable[[Path], object]
    said: tuple[str, ...]  # what was found, and what was expected


class Layout(NamedTuple):
    """Files on disk and the option that reads them."""

    option: str
    write: Callable[[Path], Any]
    cells: Mapping[str, Cell | str]  # by fault; a text says why there is no such fault


def array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Save a .npy file again."""
    return lambda file: np.save(file, change(np.load(file)))


def picture(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Save a picture again."""

    def damage(file: Path) -> None:
        Image.fromarray(change(np.array(Image.open(file)))).save(file)

    return damage


def text(old: str, new: str) -> Callable[[Path], None]:
    """Replace what is written."""

    def damage(file: Path) -> None:
        content = file.read_text()
        assert old in content
        file.write_text(content.replace(old, new))

    return damage


def lists(**changed: Any) -> Callable[[Path], None]:
    """Other lists in a .json file."""

    def damage(file: Path) -> None:
        file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))

    return damage


def matrix(**changed: Any) -> Callable[[Path], None]:
    """Other arrays in a .mat file."""

    def damage(file: Path) -> None:
        kept = {key: value for key, value in scipy.io.loadmat(file).items() if key[0] != "_"}
        scipy.io.savemat(file, {**kept, **changed})

    return damage


def labelled(key: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Another array in nyu_depth_v2_labeled.mat."""

    def damage(file: Path) -> None:
        with h5py.File(file, "r+") as content:
            found = content[key][()]
            del content[key]
            content[key] = change(found)

    return damage


def written(content: bytes) -> Callable[[Path], None]:
    """Another content altogether."""

    def damage(file: Path) -> None:
        file.write_bytes(content)

    return damage


def pickled(key: str = "labels", classes: int = 10, **changed: Any) -> Callable[[Path], None]:
    """Other entries in a file of CIFAR's."""
    entries = {name.encode(): value for name, value in changed.items()}
    return written(cifar_files.python2({**cifar_files.part(1, key.encode(), classes), **entries}))


def endless_depth(file: Path) -> None:
    """An array of infinite distances in place of a picture."""
    file.unlink()
    np.save(file.with_suffix(".npy"), np.full((24, 32), np.inf))


def gone(file: Path) -> None:
    """One file less."""
    file.unlink()


def emptied(folder: Path) -> None:
    """No picture left in a folder."""
    for file in folder.rglob("*.*"):
        if file.is_file():
            file.unlink()


def with_value(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """An array whose third row and fifth column say `value`."""

    def change(found: np.ndarray) -> np.ndarray:
        changed = found.copy()
        changed[2, 4] = value
        return changed

    return change


def narrower(found: np.ndarray) -> np.ndarray:
    """Without the last column."""
    return found[:, :-1]


def words(found: np.ndarray) -> np.ndarray:
    """As texts."""
    return found.astype(str)


def coloured(found: np.ndarray) -> np.ndarray:
    """A picture of colours in place of numbers."""
    colours = np.zeros((*found.shape, 3), np.uint8)
    colours[..., 0] = 200
    return colours


PICTURES = "pictures hold whole numbers"
PLACE = "row 2, column 4"
AACHEN = "train/aachen/aachen_000000_000019"
POINT = "adrian/point_0_view_0_domain"

CITYSCAPES = Layout(
    "cityscapes",
    cityscapes_files.official,
    {
        LABEL: Cell(
            f"gtFine/{AACHEN}_gtFine_labelIds.png", picture(with_value(77)), ("sample 0", "77", PLACE, "0 to 33")
        ),
        NOT_FINITE: PICTURES,
        SHAPE: Cell(f"disparity/{AACHEN}_disparity.png", picture(narrower), ("sample 0", "47 x 24", "48 x 24")),
        FEWER: Cell(f"gtFine/{AACHEN}_gtFine_labelIds.png", gone, ("missing", "index 0")),
        NONE: Cell("leftImg8bit/val", emptied, ("val",)),
        KIND: Cell(f"gtFine/{AACHEN}_gtFine_labelIds.png", picture(coloured), ("sample 0", "RGB", "L")),
    },
)
CITYSCAPES_ARRAYS = Layout(
    "cityscapes",
    cityscapes_files.adashare,
    {
        LABEL: Cell("label_19/0.npy", array(with_value(19)), ("sample 0", "19.0", PLACE, "0 to 18")),
        NOT_FINITE: Cell("depth/0.npy", array(with_value(np.nan)), ("sample 0", "nan", PLACE, "0 where unknown")),
        SHAPE: Cell("label_19/2.npy", array(narrower), ("sample 2", "(24, 47)", "(24, 48)")),
        FEWER: Cell("depth/1.npy", gone, ("missing", "index 1")),
        NONE: Cell("cityscape.json", lists(train=[]), ("train and test not empty",)),
        KIND: Cell("depth/0.npy", array(words), ("sample 0", "<U", "numbers")),
    },
)
CITYSCAPES_MTAN = Layout(
    "cityscapes",
    cityscapes_files.mtan,
    {
        LABEL: Cell("train/label_19/0.npy", array(with_value(-2)), ("sample 0", "-2", PLACE, "0 to 18, or -1")),
        NOT_FINITE: Cell("train/image/0.npy", array(with_value(np.inf)), ("sample 0", "inf", PLACE, "from 0 to 1")),
        SHAPE: Cell("train/depth/0.npy", array(narrower), ("sample 0", "(24, 47, 1)", "(24, 48)")),
        FEWER: Cell("train/depth/1.npy", gone, ("found 2 .npy files, 3 in", "the same names")),
        NONE: Cell("val", emptied, ("found 0 .npy files", "at least one")),
        KIND: Cell("train/label_19/0.npy", array(words), ("sample 0", "<U", "numbers")),
    },
)
NYU = Layout(
    "nyu",
    nyu_files.adashare,
    {
        LABEL: Cell("seg/0000.png", picture(with_value(40)), ("sample 0", "40", PLACE, "0 to 39")),
        NOT_FINITE: Cell("depth/0000.npy", array(with_value(np.inf)), ("sample 0", "inf", PLACE, "metres")),
        SHAPE: Cell("depth/0002.npy", array(narrower), ("sample 2", "(24, 31)", "(24, 32)")),
        FEWER: Cell("normal_mask/0001.png", gone, ("sample 1", "no such file", "the normals that")),
        NONE: Cell("nyu_v2_3task.json", lists(test=[]), ("train and test not empty",)),
        KIND: Cell("depth/0000.npy", array(words), ("sample 0", "<U", "numbers")),
    },
)
NYU_LABELLED = Layout(
    "nyu",
    lambda root: nyu_files.labelled(root / "data"),
    {
        LABEL: Cell(
            "data/nyu_depth_v2_labeled.mat",
            labelled("labels", lambda found: np.where(np.arange(32)[:, None] == 3, 900, found).astype(np.uint16)),
            ("sample 0", "900", "0 to 894"),
        ),
        NOT_FINITE: Cell(
            "data/nyu_depth_v2_labeled.mat",
            labelled("depths", lambda found: np.where(np.arange(24) == 3, np.nan, found).astype(np.float32)),
            ("sample 0", "nan", "metres"),
        ),
        SHAPE: Cell("data/nyu_depth_v2_labeled.mat", labelled("depths", lambda found: found[:, :-1]), ("depths", "31")),
        FEWER: Cell("data/nyu_depth_v2_labeled.mat", labelled("labels", lambda found: found[:-1]), ("labels", "3")),
        NONE: Cell("data/splits.mat", matrix(testNdxs=np.zeros((0, 1))), ("testNdxs",)),
        KIND: Cell(
            "data/nyu_depth_v2_labeled.mat",
            labelled("depths", lambda found: found.astype("S8")),
            ("depths (4, 32, 24) of kind 'S'", "float32"),
        ),
    },
)
NYU_MTAN = Layout(
    "nyu",
    nyu_files.mtan,
    {
        LABEL: Cell("train/label/0.npy", array(with_value(13)), ("sample 0", "13", PLACE, "0 to 12, or -1")),
        NOT_FINITE: Cell("train/normal/0.npy", array(with_value(np.nan)), ("sample 0", "nan", PLACE, "from -1 to 1")),
        SHAPE: Cell("train/label/1.npy", array(narrower), ("sample 1", "(24, 31)", "(24, 32)")),
        FEWER: Cell("val/label/0.npy", gone, ("found 1 .npy files, 2 in", "the same names")),
        NONE: Cell("val", emptied, ("found 0 .npy files", "at least one")),
        KIND: Cell("train/depth/0.npy", array(words), ("sample 0", "<U", "numbers")),
    },
)
DENSE_FOLDER = Layout(
    "dense_folder",
    layouts.dense_folder,
    {
        LABEL: Cell("segmentation/000.png", picture(with_value(3)), ("sample 0", "3", PLACE, "0 to 2, or 255")),
        NOT_FINITE: Cell(
            "depth/000.png",
            endless_depth,
            ("sample 0", "inf", "0 where unknown"),
        ),
        SHAPE: Cell("depth/002.png", picture(narrower), ("sample 2", "31 x 24", "32 x 24")),
        FEWER: Cell("depth/003.png", gone, ("sample 3", "found no label for 003.png", "expected 003.png")),
        NONE: Cell("images", emptied, ("holds no picture", "expected")),
        KIND: Cell("segmentation/000.png", picture(coloured), ("sample 0", "RGB", "one number")),
    },
)
TASKONOMY = Layout(
    "taskonomy",
    layouts.taskonomy,
    {
        LABEL: Cell(
            f"segment_semantic/{POINT}_segmentsemantic.png",
            picture(with_value(18)),
            ("sample 0", "18", PLACE, "0 to 17"),
        ),
        NOT_FINITE: PICTURES,
        SHAPE: Cell(f"depth_zbuffer/{POINT}_depth_zbuffer.png", picture(narrower), ("sample 0", "23 x 24", "24 x 24")),
        FEWER: Cell(f"keypoints2d/{POINT}_keypoints2d.png", gone, ("missing", "index 0")),
        NONE: Cell("rgb/darden", emptied, ("no pictures of the test buildings", "expected")),
        KIND: Cell(f"edge_texture/{POINT}_edge_texture.png", picture(coloured), ("sample 0", "RGB", "I;16")),
    },
)
TASKONOMY_LIST = Layout(
    "taskonomy",
    taskonomy_files.adashare,
    {
        LABEL: Cell("segmentation/0.png", picture(with_value(200)), ("sample 0", "200", PLACE, "0 to 17")),
        NOT_FINITE: Cell(
            "semseg_prior_factor.npy", array(lambda found: found * np.nan), ("nan", "expected finite weights")
        ),
        SHAPE: Cell("edges/1.png", picture(narrower), ("sample 1", "23 x 24", "24 x 24")),
        FEWER: Cell("keypoints/1.png", gone, ("missing", "index 1")),
        NONE: Cell("taskonomy.json", lists(train=[]), ("train and test not empty",)),
        KIND: Cell("semseg_prior_factor.npy", array(words), ("<U", "numbers")),
    },
)
IDX = {
    LABEL: Cell("train-labels-idx1-ubyte", written(idx_files.labels(7, 12, 9)), ("index 1", "12", "0 to 9")),
    NOT_FINITE: "bytes are whole numbers",
    SHAPE: Cell("train-images-idx3-ubyte", written(idx_files.images(3, side=27)), ("(27, 27)", "(28, 28)")),
    FEWER: Cell("t10k-labels-idx1-ubyte", written(idx_files.labels(1)), ("has 1 labels", "expected as many")),
    NONE: Cell("t10k-images-idx3-ubyte", written(struct.pack(">4I", 2051, 0, 28, 28)), ("0 items", "at least one")),
    KIND: "bytes are whole numbers",
}


def cifar(folder: str, train: str, test: str, key: str, classes: int) -> Mapping[str, Cell | str]:
    """Of files that are called so, with the labels under `key`."""
    train, test = f"{folder}/{train}", f"{folder}/{test}"

    def other(**changed: Any) -> Callable[[Path], None]:
        return pickled(key, classes, **changed)

    return {
        LABEL: Cell(train, other(**{key: [0, classes, 1, 2]}), ("index 1", str(classes), f"0 to {classes - 1}")),
        NOT_FINITE: Cell(train, other(data=np.full((4, 3072), np.nan)), ("'data'", "'f8'", "expected 'u1'")),
        SHAPE: Cell(train, other(data=np.zeros((4, 3000), np.uint8)), ("(4, 3000)", "expected (n, 3072)")),
        FEWER: Cell(test, other(**{key: [0, 1, 2]}), ("4 images and 3 labels", "expected as many")),
        NONE: Cell(test, other(data=np.zeros((0, 3072), np.uint8), **{key: []}), ("(0, 3072)", "n at least 1")),
        KIND: Cell(train, other(**{key: [b"cat", b"dog", b"cat", b"dog"]}), (key, "no integers")),
    }


PHOTOGRAPHS = "photographs may have any size"
CUB = {
    LABEL: Cell("image_class_labels.txt", text("3 2\n", "3 9\n"), ("9", "expected")),
    NOT_FINITE: Cell("image_class_labels.txt", text("3 2\n", "3 nan\n"), ("class nan of image 3", "1 to 2")),
    SHAPE: PHOTOGRAPHS,
    FEWER: Cell("train_test_split.txt", text("3 1\n", ""), ("3", "expected")),
    NONE: Cell("train_test_split.txt", text(" 0\n", " 1\n"), ("no test images",)),
    KIND: Cell("image_class_labels.txt", text("3 2\n", "3 gull\n"), ("class gull of image 3", "1 to 2")),
}
FLOWERS = {
    LABEL: Cell(
        "imagelabels.mat", matrix(labels=np.array([[1, 103, 3, 4, 5, 6, 7, 8]])), ("index 1", "103", "1 to 102")
    ),
    NOT_FINITE: Cell("imagelabels.mat", matrix(labels=np.full((1, 8), np.nan)), ("nan", "integers")),
    SHAPE: PHOTOGRAPHS,
    FEWER: Cell("imagelabels.mat", matrix(labels=np.array([[1, 2, 3, 4, 5, 6, 7]])), ("8", "1 to 7")),
    NONE: Cell("setid.mat", matrix(tstid=np.zeros((1, 0))), ("tstid", "expected")),
    KIND: Cell("imagelabels.mat", matrix(labels=np.array(["rose"] * 8)), ("labels", "integers")),
}
VARIANTS = "fgvc-aircraft-2013b/data/images_variant_train.txt"
AIRCRAFT = {
    LABEL: Cell(VARIANTS, text("0056978 F/A-18", "0056978 F-16"), ("class F-16 of 0056978.jpg", "3 classes")),
    NOT_FINITE: "classes are names",
    SHAPE: PHOTOGRAPHS,
    FEWER: Cell("fgvc-aircraft-2013b/data/images/0034309.jpg", gone, ("missing", "index 1")),
    NONE: Cell(
        "fgvc-aircraft-2013b/data/images_variant_test.txt",
        written(b"\n"),
        ("names no photographs of the test split", "unpack"),
    ),
    KIND: Cell(VARIANTS, text("0056978 F/A-18", "0056978"), ("line 3", "'<image> <variant>'")),
}
MIT67 = {
    LABEL: Cell("TestImages.txt", text("gameroom/e.jpg", "bar/e.jpg"), ("class bar of bar/e.jpg", "2 classes")),
    NOT_FINITE: "classes are folders",
    SHAPE: PHOTOGRAPHS,
    FEWER: Cell("Images/airport_inside/a b.jpg", gone, ("missing", "index 1")),
    NONE: Cell("TestImages.txt", written(b"\n"), ("names no photographs of the test split", "download it again")),
    KIND: Cell("TestImages.txt", text("gameroom/e.jpg", "e.jpg"), ("'e.jpg' at index 1", "<class>/<file>")),
}
DOGS = {
    LABEL: Cell("test_list.mat", matrix(file_list=list_files.cells(["n9-wolf/a.jpg"])), ("n9-wolf", "2 classes")),
    NOT_FINITE: "classes are folders",
    SHAPE: PHOTOGRAPHS,
    FEWER: Cell("Images/n02085620-Chihuahua/n02085620_4.jpg", gone, ("missing", "index 3")),
    NONE: Cell("test_list.mat", matrix(file_list=list_files.cells([])), ("names no photographs",)),
    KIND: Cell("test_list.mat", matrix(file_list=list_files.cells([[1, 2]])), ("file_list", "a text or a number")),
}


def annotations(**changed: Any) -> Callable[[Path], None]:
    """A single car with other fields."""
    return matrix(annotations=list_files.structures([{"fname": "00001.jpg", "class": 1, **changed}]))


NO_CARS = list_files.structures([{"fname": "00001.jpg", "class": 1}])[:, :0]
CARS = {
    LABEL: Cell("devkit/cars_train_annos.mat", annotations(**{"class": 4}), ("class 4 of 00001.jpg", "1 to 3")),
    NOT_FINITE: Cell("devkit/cars_train_annos.mat", annotations(**{"class": np.nan}), ("class nan", "1 to 3")),
    SHAPE: PHOTOGRAPHS,
    FEWER: Cell("cars_train/00002.jpg", gone, ("missing", "index 1")),
    NONE: Cell("cars_test_annos_withlabels.mat", matrix(annotations=NO_CARS), ("no photographs of the test split",)),
    KIND: Cell("devkit/cars_train_annos.mat", annotations(**{"class": "SUV"}), ("class SUV", "1 to 3")),
}


def cars_of_one_list(**changed: Any) -> Callable[[Path], None]:
    """Two cars, one to be tested on, the first with other fields."""
    cars = [{"relative_im_path": f"car_ims/00000{number}.jpg", "class": 1, "test": number - 1} for number in (1, 2)]
    return matrix(annotations=list_files.structures([{**cars[0], **changed}, cars[1]]))


CARS_TOGETHER = {
    LABEL: Cell("cars_annos.mat", cars_of_one_list(**{"class": 0}), ("class 0 of 000001.jpg", "1 to 3")),
    NOT_FINITE: Cell("cars_annos.mat", cars_of_one_list(test=np.nan), ("test flag nan", "at index 0", "0 or 1")),
    SHAPE: PHOTOGRAPHS,
    FEWER: Cell("car_ims/000003.jpg", gone, ("missing", "index 2")),
    NONE: Cell("cars_annos.mat", cars_of_one_list(test=1), ("no photographs of the train split",)),
    KIND: Cell("cars_annos.mat", cars_of_one_list(**{"class": "SUV"}), ("class SUV", "1 to 3")),
}
DOMAINNET = {
    LABEL: Cell("real_train.txt", text("real_train_1.jpg 1", "real_train_1.jpg -1"), ("-1", "expected")),
    NOT_FINITE: Cell("real_train.txt", text("real_train_1.jpg 1", "real_train_1.jpg nan"), ("nan", "expected")),
    SHAPE: PHOTOGRAPHS,
    FEWER: Cell("real/bee/real_train_1.jpg", gone, ("missing", "index 1")),
    NONE: Cell("clipart_test.txt", written(b"\n"), ("no lines", "expected")),
    KIND: Cell("real_train.txt", text("real_train_1.jpg 1", "real_train_1.jpg bee"), ("bee", "expected")),
}
IMAGE_FOLDER = {
    LABEL: Cell(
        "test/oak",
        lambda folder: shutil.copytree(folder, folder.with_name("elm")),
        ("elm", "no folder of train/", "expected one of ash, oak"),
    ),
    NOT_FINITE: PICTURES,
    SHAPE: PHOTOGRAPHS,
    FEWER: "a folder holds a picture and its class",
    NONE: Cell("train/ash", emptied, ("holds no image", "expected")),
    KIND: "a folder holds a picture and its class",
}
NMNIST = {
    LABEL: "folders 0 to 9 are read",
    NOT_FINITE: "events are whole numbers",
    SHAPE: Cell("Train/0/00000.bin", written(nmnist_files.packed((34, 5, 1, 0))), ("x=34", "expected 0 to 33")),
    FEWER: "a recording is one file",
    NONE: Cell("Train/3", emptied, ("holds no recordings", "expected")),
    KIND: "bytes are whole numbers",
}
TEXTS = {
    LABEL: Cell("ag_news/train.csv", text('"2","Goal","2:1"', '"7","Goal","2:1"'), ("class", "expected")),
    NOT_FINITE: Cell("ag_news/train.csv", text('"2","Goal"', '"nan","Goal"'), ("line 3", "nan", "expected")),
    SHAPE: Cell("ag_news/train.csv", text('"Goal","2:1"', '"Goal"'), ("line 3", "Goal", "3 columns")),
    FEWER: "a line holds a text and its class",
    NONE: Cell("dbpedia/test.csv", written(b"\n"), ("no texts", "expected")),
    KIND: Cell("ag_news/train.csv", text('"2","Goal"', '"sport","Goal"'), ("line 3", "sport", "expected")),
}


LAYOUTS: Mapping[str, Layout] = {
    "aircraft": Layout("aircraft", layouts.aircraft, AIRCRAFT),
    "cars196": Layout("cars196", layouts.cars196, CARS),
    "cars196, one list": Layout("cars196", list_files.cars_together, CARS_TOGETHER),
    "cifar10": Layout(
        "cifar10", layouts.cifar10, cifar("cifar-10-batches-py", "data_batch_1", "test_batch", "labels", 10)
    ),
    "cifar100": Layout("cifar100", layouts.cifar100, cifar("cifar-100-python", "train", "test", "fine_labels", 100)),
    "cityscapes": CITYSCAPES,
    "cityscapes, arrays": CITYSCAPES_ARRAYS,
    "cityscapes, MTAN": CITYSCAPES_MTAN,
    "cub200": Layout("cub200", layouts.cub200, CUB),
    "dense_folder": DENSE_FOLDER,
    "dogs": Layout("dogs", layouts.dogs, DOGS),
    "domainnet": Layout("domainnet", layouts.domainnet, DOMAINNET),
    "fashion_mnist": Layout("fashion_mnist", layouts.fashion_mnist, IDX),
    "flowers102": Layout("flowers102", layouts.flowers102, FLOWERS),
    "image_folder": Layout("image_folder", layouts.image_folder, IMAGE_FOLDER),
    "mit67": Layout("mit67", layouts.mit67, MIT67),
    "mnist": Layout("mnist", layouts.mnist, IDX),
    "nmnist": Layout("nmnist", layouts.nmnist, NMNIST),
    "nyu": NYU,
    "nyu, labelled .mat": NYU_LABELLED,
    "nyu, MTAN": NYU_MTAN,
    "saccades": Layout("saccades", layouts.saccades, IDX),
    "taskonomy": TASKONOMY,
    "taskonomy, list": TASKONOMY_LIST,
    "texts": Layout("texts", layouts.texts, TEXTS),
}
