"""Classes of Cityscapes (Cordts et al. 2016), from the table labels.py of github.com/mcordts/cityscapesScripts."""

import numpy as np

from runner.datasets.frames import VOID

NINETEEN = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
SEVEN = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
TWO = ("background", "foreground")  # of AdaShare's arrays; nothing says what they hold
NAMES = {19: NINETEEN, 7: SEVEN, 2: TWO}
_EVALUATED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # the ids of the 19
_CATEGORIES = (0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 6, 6, 6, 6, 6, 6)  # of the 19 among the 7
IDS = 34


def of_ids(classes: int) -> np.ndarray:
    """The class (256,) uint8 of every label id (there are 34); VOID where it is not evaluated, among 7 classes as among 19."""
    found = np.full(256, VOID, np.uint8)
    found[list(_EVALUATED)] = np.arange(19) if classes == 19 else _CATEGORIES
    return found
