"""The table as files: whole or not at all, and readable by what they are for."""

import csv
import io
from pathlib import Path

import pytest

from runner.compare import files
from runner.compare.comparison import compared
from runner.compare.runs import find
from tests.compare.made import made


@pytest.fixture
def comparison(tmp_path):
    made(tmp_path / "runs/a", 50.0, method="one_task")
    for seed, accuracy in enumerate((60.0, 62.0)):
        made(tmp_path / f"runs/b{seed}", accuracy, method="a|b & c", seed=seed, error=0.4)
    return compared(find([tmp_path / "runs"]).runs)


def test_csv_has_the_numbers_in_full(comparison):
    rows = list(csv.DictReader(io.StringIO(files.csv(comparison))))
    assert [row["method"] for row in rows] == ["a|b & c", "one_task"]
    assert rows[0]["animal/top1"] == "61.0"
    assert float(rows[0]["animal/top1 std"]) == pytest.approx(2**0.5)
    assert (rows[0]["animal/top1 n"], rows[0]["animal/top1 best"], rows[1]["animal/top1 best"]) == ("2", "yes", "")
    assert rows[1]["animal/top1 std"] == ""
    assert (rows[0]["network"], rows[0]["seeds"], rows[0]["macs"]) == ("whole", "2", "2000000.0")
    assert "animal/top1 p" not in rows[0]  # two seeds are too few for any


def test_markdown_marks_the_best_in_bold_and_keeps_signs_as_they_are(comparison):
    lines = files.markdown(comparison).splitlines()
    assert (
        "| method | seeds | animal/top1 | distance/abs | parameters (M) | MACs (M) | trained on samples | training (s) |"
        in lines
    )
    assert "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |" in lines
    assert r"| a\|b & c | 2 | **61 ± 1.4** | **0.4 ± 0** | 1.5 | 2 | 240 | 12 |" in lines
    assert r"| one\_task | 1 | 50 | 0.5 | 1.5 | 2 | 240 | 12 |" in lines
    assert "bold: best" in lines


def test_latex_is_a_tabular_with_rules(comparison):
    lines = files.latex(comparison).splitlines()
    assert r"\begin{tabular}{lrrrrrrr}" in lines
    assert r"a|b \& c & 2 & \textbf{61 $\pm$ 1.4} & \textbf{0.4 $\pm$ 0} & 1.5 & 2 & 240 & 12 \\" in lines
    assert r"one\_task & 1 & 50 & 0.5 & 1.5 & 2 & 240 & 12 \\" in lines
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert lines[-1] == r"\end{tabular}"


def test_a_file_that_cannot_be_written_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text("before")

    def full(self, *arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="cannot write 5 bytes: No space left on device"):
        files.write(path, "after")
    monkeypatch.undo()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
