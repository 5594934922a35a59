"""The table as it is read, wide, at 80 and at 40 columns."""

import pytest
from rich.cells import cell_len

from runner.compare.comparison import compared
from runner.compare.layout import lines
from runner.compare.runs import find
from tests.compare.made import made

WIDE = """\
test split, mean ± standard deviation over seeds
in all of them: dataset=images model=net

                   animal   distance  parameters  MACs  trained on  training
method  seeds        top1        abs         (M)   (M)     samples       (s)
────────────────────────────────────────────────────────────────────────────
alone       1        50        0.5           1.5     2         240        12
course      2  61 ± 1.4 *  0.4 ± 0 *         1.5     2         240        12

* best
no significance where fewer than 3 runs have their seeds in common with the best's
"""
BLOCKS = """\
alone
  seeds               1
  animal/top1         50
  distance/abs        0.5
  parameters (M)      1.5
  MACs (M)            2
  trained on samples  240
  training (s)        12

course
  seeds               2
  animal/top1         61 ± 1.4 *
  distance/abs        0.4 ± 0 *
"""


@pytest.fixture
def runs(tmp_path):
    made(tmp_path / "a", 50.0, method="alone")
    for seed, accuracy in enumerate((60.0, 62.0)):
        made(tmp_path / f"b{seed}", accuracy, method="course", seed=seed, error=0.4)
    return tmp_path


def shown(folder, width):
    return list(lines(compared(find([folder]).runs), width))


def test_a_wide_terminal_and_a_pipe_get_one_table(runs):
    assert "\n".join(line.rstrip() for line in shown(runs, None)) + "\n" == WIDE
    assert shown(runs, 100) == shown(runs, None)


def test_where_columns_do_not_fit_others_follow_below_under_the_same_names(runs):
    found = shown(runs, 64)
    assert max(map(cell_len, found)) <= 64
    assert sum(line.startswith("course ") for line in found) == 2
    assert "trained on" in "\n".join(found)


def test_a_narrow_terminal_gets_a_block_for_every_row(runs):
    text = "\n".join(shown(runs, 40))
    assert BLOCKS in text
    assert "─" not in text
    assert max(map(cell_len, shown(runs, 40))) <= 40


def test_letters_that_take_two_places_keep_the_columns_straight(tmp_path):
    for name in ("방법", "course"):
        made(tmp_path / name, 50.0, method=name)
    rows = [line for line in shown(tmp_path, None) if "240" in line]
    assert len({cell_len(line.rstrip()) for line in rows}) == 1
    assert len({len(line.rstrip()) for line in rows}) == 2


def test_a_row_of_several_keys_names_each_in_a_line(tmp_path):
    for rate, width in ((1, 2), (1, 3), (2, 3)):
        made(tmp_path / f"{rate}{width}", 50.0, changes={"method": {"rate": rate, "width": width}})
    names = [line.split("  ")[0] for line in shown(tmp_path, None) if line.startswith("method.")]
    assert names == [
        "method.rate=1",
        "method.width=2",
        "method.rate=1",
        "method.width=3",
        "method.rate=2",
        "method.width=3",
    ]


def test_a_single_row_has_no_name_at_all(tmp_path):
    made(tmp_path / "a", 50.0)
    assert shown(tmp_path, None)[4].split() == ["seeds", "top1", "abs", "(M)", "(M)", "samples", "(s)"]
    assert "  seeds               1" in shown(tmp_path, 40)


def test_a_line_parts_what_is_not_compared(tmp_path):
    made(tmp_path / "a", 60.0, method="a")
    made(tmp_path / "b", 70.0, method="b", samples=480)
    found = shown(tmp_path, None)
    assert sum(line.startswith("─") for line in found) == 2
    assert "*" not in "\n".join(found)
