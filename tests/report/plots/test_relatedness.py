import pytest
import torch

from runner.policies import relatedness as numbers
from runner.report.plots.relatedness import relatedness
from runner.report.sections.policy import POLICY

TASKS = ["segmentation", "normals", "depth", "keypoints", "edges", "surface curvature"]


@pytest.mark.parametrize("tasks", [2, 3, 6])
def test_every_number_of_tasks_is_readable(picture, tasks):
    probability = torch.rand(tasks, 8, generator=torch.Generator().manual_seed(0))
    probability[0] = 0  # a policy without direction
    relatedness(TASKS[:tasks], **numbers.relatedness(probability), path=picture.path)
    assert picture.is_sane()


def told(rows):
    found = {"tasks": TASKS[: len(rows)], "relatedness": numbers.relatedness(torch.tensor(rows))}
    return list(POLICY.show({"policy": found}))


def test_the_pairs_that_are_most_and_least_alike_are_told():
    assert told([[1.0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]])[0].endswith(
        "least segmentation and depth (cosine 0.00, correlation -1.00)"
    )
    # by correlation, 0.98, -0.50 and -0.65; all execute nearly always, so that cosines are near 1
    (much,) = told([[0.8, 1.0, 0.9], [0.85, 1.0, 0.95], [1.0, 0.9, 0.8]])
    assert "most alike segmentation and normals (cosine 1.00, correlation 0.98)" in much
    assert "least normals and depth (cosine 0.99, correlation -0.65)" in much
    assert told([[1.0, 1, 0, 0], [1, 0, 1, 0]]) == [
        "policies of tasks: alike segmentation and normals (cosine 0.50, correlation 0.00)"
    ]


def test_of_older_runs_and_of_single_tasks_nothing_is_told():
    assert told([[1.0, 0, 1]]) == []
    assert list(POLICY.show({"policy": {"tasks": TASKS[:2]}})) == []
