import pytest
import torch

from runner.report.plots.channels import channels

TASKS = ["segmentation", "normals", "depth", "keypoints", "edges"]
LEVELS = [1.0, 0.5, 0.25, 0.0]


@pytest.mark.parametrize(("tasks", "blocks", "cycles"), [(1, 4, 2), (2, 8, 13), (3, 16, 334), (5, 33, 161)])
def test_every_course_is_readable(picture, tasks, blocks, cycles):
    draw = torch.Generator().manual_seed(0)
    walk = torch.randn(cycles, tasks, blocks, 4, generator=draw).cumsum(0)
    channels(TASKS[:tasks], LEVELS, walk.softmax(-1).tolist(), picture.path)
    assert picture.is_sane()


def test_a_choice_that_has_been_made_stays_on_the_edges_of_the_panel(picture):
    """All channels of the first task, none of the second, from beginning to end."""
    course = torch.zeros(4, 2, 8, 4)
    course[:, 0, :, 0], course[:, 1, :, 3] = 1, 1
    channels(TASKS[:2], LEVELS, course.tolist(), picture.path)
    assert picture.is_sane()
