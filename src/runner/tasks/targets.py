"""What the numbers of a dense target are; how they change as a picture is scaled, mirrored and padded follows from that."""

from abc import abstractmethod
from typing import Literal, NamedTuple

from runner.tasks import Task

Kind = Literal["labels", "normals", "depth", "inverse depth", "heat map"]


class Target(NamedTuple):
    """A number or a direction for every pixel: (B, H, W) labels, (B, 3, H, W) normals, (B, 1, H, W) of anything else.

    - labels: numbers of classes;
    - normals: unit vectors, x right, y down, z forward;
    - depth: distances, which are divided by s where a scene is seen s times larger by the same camera;
    - inverse depth: their inverse in any unit, disparity for one, which is multiplied by s;
    - heat map: how strongly a pixel is something, or any other number that scaling and mirroring leave as it is.
    """

    kind: Kind
    unlabelled: float  # in every channel of a pixel without label; nan where every number is one


class DenseTask(Task):
    """A prediction for every pixel, in which the dataset's targets are `target`."""

    kind = "dense"

    @property
    @abstractmethod
    def target(self) -> Target:
        """What the targets are."""
