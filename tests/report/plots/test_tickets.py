import pytest

from runner.report.plots.tickets import tickets


@pytest.mark.parametrize("count", [2, 6, 20])
def test_tickets(picture, count):
    points = [(0.8**number, 60 - number) for number in range(count)]
    tickets(points, {"cross_entropy": 55.0, "ke": 62.5}, "class: top-1 accuracy in %", picture.path)
    assert picture.is_sane()
