"""What networks of several runs cost, beside what they reach: slim, pruned and dense ones."""

import shutil

import pytest

from runner.compare.columns import mean
from runner.compare.runs import find
from runner.figures.__main__ import main
from runner.figures.costs import TITLES, beside
from tests.export.runs import finished_run


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Knowledge Evolution and a lottery ticket of the same network."""
    place = tmp_path_factory.mktemp("costs") / "outputs"
    place.mkdir()
    for method in ("ke", "lottery"):
        shutil.copytree(
            finished_run(tmp_path_factory.mktemp(method), method, "model=mobilenet_v2").path, place / method
        )
    return place


def values(comparison, key):
    (column,) = (column for column in comparison.columns if column.key == key)
    names = [(row.named["method"], row.network) for row in comparison.rows]
    return dict(zip(names, map(mean, column.samples), strict=True))


@pytest.mark.slow
def test_every_network_has_a_row_and_zeros_count_apart(outputs):
    runs = find([outputs]).runs
    comparison = beside(runs)
    summaries = {run.summary["choices"]["method"]: run.summary for run in runs}
    dense, slim, ticket = ("ke", "dense"), ("ke", "slim"), ("lottery", "ticket")
    sizes = values(comparison, "parameters")
    assert set(sizes) == {dense, slim, ticket}  # the predictors fit and reset are no networks
    for method, network in sizes:
        assert sizes[method, network] * 1e6 == summaries[method]["costs"][network]["parameters"]
    assert sizes[slim] < 0.4 * sizes[dense] == pytest.approx(0.4 * sizes[ticket])
    left = values(comparison, "nonzero")
    assert (left[dense], left[slim]) == (sizes[dense], sizes[slim])
    share = summaries["lottery"]["tickets"]["remaining"][-1]
    assert left[ticket] == pytest.approx(share * sizes[ticket], rel=0.02)  # norms and biases are never pruned
    products, all_products = values(comparison, "nonzero_macs"), values(comparison, "macs")
    assert products[dense] == all_products[dense] == pytest.approx(all_products[ticket])
    assert products[ticket] < all_products[ticket]
    disk, packed = values(comparison, "size"), values(comparison, "packed")
    assert disk[slim] < 0.4 * disk[dense] == pytest.approx(0.4 * disk[ticket])
    assert packed[ticket] < packed[dense]
    assert all(latency > 0 for latency in values(comparison, "latency").values())
    assert values(comparison, "scene/top1")[ticket] == summaries["lottery"]["metrics"]["test/ticket/scene/top1"]


def test_the_command_shows_and_draws_them(outputs, tmp_path, capsys):
    assert main([str(outputs), "--costs", str(tmp_path / "costs.png")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("2 finished runs\n")
    assert all(title.split(" (")[0].split()[-1] in said for title in TITLES.values())
    assert said.endswith(f"written: {tmp_path / 'costs.png'}\n")
    assert (tmp_path / "costs.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_that_is_no_picture_is_refused(outputs, capsys):
    assert main([str(outputs), "--costs", "costs.pdf"]) == 2
    assert "--costs costs.pdf is not allowed; use a name that ends in .png" in capsys.readouterr().err


def test_runs_without_networks_of_their_own_are_refused(tmp_path, capsys):
    assert main([str(tmp_path), "--costs", str(tmp_path / "costs.png")]) == 3
    assert "0 finished runs; nothing to show" in capsys.readouterr().err
