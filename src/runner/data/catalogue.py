"""What is published of the data sets that are read here: where their files lie, by which sums they are known, how many samples.

Sums are MD5, as their authors publish them or as torchvision's readers know them; None where none is known. They tell a broken
download; they are no protection from who means harm.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class File(NamedTuple):
    """One file of a distribution, and its MD5 if one is published."""

    name: str
    md5: str | None = None


class Published(NamedTuple):
    """A distribution as its authors give it away."""

    counts: Mapping[str, int]  # split -> samples
    classes: Mapping[str, int]  # task -> classes
    licence: str
    places: tuple[str, ...] = ()  # addresses in front of the files' names, the authors' own first; none: by hand alone
    files: tuple[File, ...] = ()
    by_hand: tuple[str, ...] = ()  # what to download where, and where to put it: at most three lines


_TEN = MappingProxyType({"class": 10})
_IDX = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_SEVENTY = MappingProxyType({"train": 60_000, "test": 10_000})
_SIXTY = MappingProxyType({"train": 50_000, "test": 10_000})


def _idx(*sums: str) -> tuple[File, ...]:
    return tuple(File(name, md5) for name, md5 in zip(_IDX, sums, strict=True))


PUBLISHED: Mapping[str, Published] = {
    "mnist": Published(
        _SEVENTY,
        _TEN,
        "states none; for research",
        (
            "http://yann.lecun.com/exdb/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        _idx(
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    "fashion_mnist": Published(
        _SEVENTY,
        _TEN,
        "MIT",
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        _idx(
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    "cifar10": Published(
        _SIXTY,
        _TEN,
        "states none; asks for a citation",
        ("https://www.cs.toronto.edu/~kriz/",),
        (File("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),),
    ),
    "cifar100": Published(
        _SIXTY,
        {"class": 100},
        "states none; asks for a citation",
        ("https://www.cs.toronto.edu/~kriz/",),
        (File("cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"),),
    ),
    "cub200": Published(
        {"train": 5994, "test": 5794},
        {"class": 200},
        "non-commercial research and teaching",
        ("https://data.caltech.edu/records/65de6-vp158/files/",),
        (File("CUB_200_2011.tgz", "97eceeb196236b17998738112f37df78"),),
    ),
    "aircraft": Published(
        {"train": 3334, "validation": 3333, "test": 3333},
        {"class": 100},
        "non-commercial research",
        ("https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/",),
        (File("fgvc-aircraft-2013b.tar.gz"),),
    ),
    "mit67": Published(
        {"train": 5360, "test": 1340},
        {"class": 67},
        "states none; for research",
        by_hand=(
            "indoorCVPR_09.tar, TrainImages.txt and TestImages.txt from https://web.mit.edu/torralba/www/indoor.html",
            "unpacked, so that Images/airport_inside/ and its like lie there",
        ),
    ),
    "dogs": Published(
        {"train": 12_000, "test": 8580},
        {"class": 120},
        "states none; pictures of ImageNet, for research",
        ("http://vision.stanford.edu/aditya86/ImageNetDogs/",),
        (File("images.tar"), File("lists.tar")),
    ),
    "cars196": Published(
        {"train": 8144, "test": 8041},
        {"class": 196},
        "for research, its pictures as their owners say",
        by_hand=(
            "its address, https://ai.stanford.edu/~jkrause/cars/car_dataset.html, has long been broken; a copy of either form:",
            "cars_annos.mat and car_ims/, or cars_train/, cars_test/, devkit/ and cars_test_annos_withlabels.mat",
        ),
    ),
    "flowers102": Published(
        {"train": 1020, "validation": 1020, "test": 6149},
        {"class": 102},
        "states none; for research",
        ("https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",),
        (
            File("102flowers.tgz", "52808999861908f626f3c1f4e79d11fa"),
            File("imagelabels.mat", "e0620be6f572b9609742df49c70aed4d"),
            File("setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c"),
        ),
    ),
    "nyu": Published(
        {"train": 795, "test": 654},
        {"segmentation": 40},
        "states none; for research",
        by_hand=(
            "nyu_depth_v2_labeled.mat (2.8 GB) and splits.mat from https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html",
            "classMapping40.mat from https://github.com/ankurhanda/nyuv2-meta-data; or AdaShare's or MTAN's form of it",
        ),
    ),
    "cityscapes": Published(
        {"train": 2975, "test": 500},
        {"segmentation": 19},
        "non-commercial, no redistribution; asks for an account",
        by_hand=(
            "leftImg8bit_trainvaltest.zip, gtFine_trainvaltest.zip and, for depth, disparity_trainvaltest.zip",
            "from https://www.cityscapes-dataset.com/downloads, unpacked, so that leftImg8bit/, gtFine/, disparity/ lie there",
        ),
    ),
    "domainnet": Published(
        {"train": 409_832, "test": 176_743},
        dict.fromkeys(("real", "painting", "quickdraw", "clipart", "infograph", "sketch"), 345),
        "for research, its pictures as their owners say",
        by_hand=(
            "real.zip, clipart.zip (cleaned), ... and <domain>_train.txt, <domain>_test.txt of all six domains",
            "from http://ai.bu.edu/M3SDA, unpacked, so that real_train.txt, real/airplane/ and their like lie there",
        ),
    ),
    "taskonomy": Published(
        {},
        {},
        "for research, not to be given on",
        by_hand=(
            "rgb, segment_semantic, normal, depth_zbuffer, keypoints2d, edge_texture of the tiny set, train_val_test_tiny.csv",
            "from https://github.com/StanfordVL/taskonomy/tree/master/data, unpacked, so that rgb/<building>/ ... lie there",
        ),
    ),
    "texts": Published(
        {"train": 10_340_000, "test": 1_335_600},
        {
            "ag_news": 4,
            "amazon_review_full": 5,
            "amazon_review_polarity": 2,
            "dbpedia": 14,
            "sogou_news": 5,
            "yahoo_answers": 10,
            "yelp_review_full": 5,
            "yelp_review_polarity": 2,
        },
        "states none; for research",
        by_hand=(
            "ag_news_csv.tar.gz, sogou_news_csv.tar.gz, ... of Zhang et al. 2015, eight corpora",
            "from the folder that https://github.com/zhangxiangxiao/Crepe names, unpacked: ag_news_csv/train.csv ...",
        ),
    ),
    "nmnist": Published(
        _SEVENTY,
        _TEN,
        "CC BY-SA 4.0",
        by_hand=(
            "Train.zip and Test.zip from https://www.garrickorchard.com/datasets/n-mnist",
            "unpacked, so that Train/0/00002.bin and its like lie there",
        ),
    ),
}
