import pytest

from runner.errors import ConfigurationError
from runner.report.performance import relative_performance
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.segmentation import Segmentation

NAMES = {"segmentation": ("miou", "pixel_accuracy"), "normals": tuple(Normals().higher_is_better)}
NAMES["depth"] = tuple(Depth().higher_is_better)


def table(**rows):
    return {task: dict(zip(NAMES[task], values, strict=True)) for task, values in rows.items()}


CITYSCAPES = {"segmentation": Segmentation(19).higher_is_better, "depth": Depth().higher_is_better}
CITYSCAPES_SINGLE = table(segmentation=(40.2, 74.7), depth=(0.017, 0.33, 70.3, 86.3, 93.3))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # AdaShare, Multi-task and DEN in the paper's table of CityScapes
        (table(segmentation=(41.5, 74.9), depth=(0.016, 0.33, 75.5, 89.9, 94.9)), (1.8, 3.8, 2.8)),
        (table(segmentation=(37.7, 73.8), depth=(0.018, 0.34, 72.4, 88.3, 94.2)), (-3.7, -0.5, -2.1)),
        (table(segmentation=(38.0, 74.2), depth=(0.017, 0.37, 72.3, 87.1, 93.4)), (-3.1, -1.6, -2.4)),
    ],
)
def test_cityscapes_rows(row, expected):
    result = relative_performance(row, CITYSCAPES_SINGLE, CITYSCAPES)
    found = (result.tasks["segmentation"], result.tasks["depth"], result.mean)
    assert found == pytest.approx(expected, abs=0.05)


def test_nyu_row():
    tasks = {"segmentation": Segmentation(40).higher_is_better, "normals": Normals().higher_is_better}
    single = table(segmentation=(27.8, 58.5), normals=(17.3, 14.4, 37.2, 73.7, 85.1))
    row = table(segmentation=(29.6, 61.3), normals=(16.6, 12.9, 45.0, 71.7, 83.0))
    result = relative_performance(row, single, tasks)
    assert list(result.tasks) == ["segmentation", "normals"]
    assert (*result.tasks.values(), result.mean) == pytest.approx((5.6, 6.0, 5.8), abs=0.05)


def test_by_hand():
    single = table(depth=(0.5, 0.2, 50, 80, 100))
    row = table(depth=(0.4, 0.3, 55, 80, 90))
    # +20 - 50 + 10 + 0 - 10 over 5 metrics
    assert relative_performance(row, single, {"depth": Depth().higher_is_better}).mean == pytest.approx(-6, abs=1e-12)


def test_the_reference_against_itself_is_zero():
    result = relative_performance(CITYSCAPES_SINGLE, CITYSCAPES_SINGLE, CITYSCAPES)
    assert result == ({"segmentation": 0, "depth": 0}, 0)


@pytest.mark.parametrize(("value", "found"), [(None, "nothing"), (0.0, "0.0"), (float("nan"), "nan")])
def test_a_reference_that_cannot_be_compared_with_is_named(value, found):
    reference = {task: dict(values) for task, values in CITYSCAPES_SINGLE.items()}
    reference["depth"]["rel"] = value
    message = (
        f"reference value of depth/rel: found {found}, needed a finite number other than 0 .* single-task run of depth"
    )
    with pytest.raises(ConfigurationError, match=message):
        relative_performance(CITYSCAPES_SINGLE, reference, CITYSCAPES)


def test_a_reference_without_the_task_is_named():
    with pytest.raises(ConfigurationError, match="reference value of depth/abs: found nothing"):
        relative_performance(CITYSCAPES_SINGLE, {"segmentation": CITYSCAPES_SINGLE["segmentation"]}, CITYSCAPES)
