import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from runner.policies.block_cost import BlockCost
from runner.report.plots.policy import (
    ALONE,
    SHARED,
    _squares,
    draw_title,
    merged,
    percentages,
    policy,
    task_percentages,
)

TASKS = ["segmentation", "normals", "depth", "edges", "keypoints", "scene"]


def learned(tasks, blocks, draws, seed=0):
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.rand(tasks, blocks, generator=generator)
    drawn = [(torch.rand(tasks, blocks, generator=generator) < alpha).int().tolist() for _ in range(draws)]
    costs = [BlockCost(100 + number, 10 * (number % 3 == 0), 50, 5 * (number % 3 == 0)) for number in range(blocks)]
    return TASKS[:tasks], alpha.tolist(), drawn, costs


@pytest.mark.parametrize(("tasks", "blocks", "draws"), [(1, 2, 1), (2, 8, 2), (3, 16, 3), (6, 33, 1), (2, 2, 0)])
def test_every_size_is_readable(picture, tasks, blocks, draws):
    policy(*learned(tasks, blocks, draws), picture.path, chosen=draws - 1 if draws else None)
    assert picture.is_sane()


def test_equal_draws_are_shown_once(picture):
    tasks, alpha, (drawn, other), costs = learned(2, 8, 2)
    assert merged([drawn, other, drawn, drawn]) == [([0, 2, 3], drawn), ([1], other)]
    policy(tasks, alpha, [drawn] * 8, costs, picture.path)
    once = picture.pixels().shape
    policy(tasks, alpha, [drawn], costs, picture.path)
    assert picture.pixels().shape == once


@pytest.mark.parametrize(
    ("numbers", "chosen", "title"),
    [
        ([1], None, "draw 1"),
        ([1], 1, "draw 1 ★"),
        ([0, 1], 1, "draws 0, 1 (equal), ★ 1"),
        ([0, 1, 2, 5], 3, "draws 0–2, 5 (equal)"),
    ],
)
def test_the_draw_of_the_result_has_a_star(numbers, chosen, title):
    assert draw_title(numbers, chosen) == title


def test_bars_connect_no_squares_across_one_that_is_skipped():
    axes = Figure().subplots()
    _squares(axes, np.array([[1, 1], [0, 1], [1, 1]], bool))
    bars = [list(map(tuple, line.get_xydata())) for line in axes.lines if len(line.get_xdata()) == 2]
    assert bars == [[(1, 0), (1, 1)], [(1, 1), (1, 2)]]


def test_percentages_by_hand():
    costs = [BlockCost(60, 10, 20, 5), BlockCost(30, 0, 15, 0)]  # 100 MACs and 40 parameters in all
    np.testing.assert_allclose(task_percentages(costs, [[1, 1], [0, 1], [0.5, 0]]), [[100, 100], [40, 50], [40, 37.5]])
    shares = percentages(costs, [[1, 0], [0, 1]])
    np.testing.assert_allclose(shares, [[70, 62.5], [40, 50], [55, 100]])  # mean MACs, all parameters in use
    np.testing.assert_allclose(percentages(costs, [[0, 1]]), [[40, 50]])


def test_squares_show_what_is_shared(picture):
    costs = [BlockCost(1, 0, 1, 0)] * 4
    counts = []
    for drawn in ([[1, 1, 1, 1], [1, 1, 1, 1]], [[1, 1, 0, 0], [0, 0, 1, 1]], [[0, 0, 0, 0], [0, 0, 0, 0]]):
        policy(["a", "b"], [[0.0] * 4] * 2, [drawn], costs, picture.path)
        below = picture.pixels()[130:]  # less the legend and the heat map
        colours = [[int(name[i : i + 2], 16) for i in (1, 3, 5)] for name in (SHARED, ALONE)]
        counts.append([bool((below == colour).all(-1).sum() > 100) for colour in colours])
    assert counts == [[True, False], [False, True], [False, False]]
