"""A comparison as a file: numbers in full (CSV), or the table as it is shown (Markdown, LaTeX)."""

import csv as comma
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from runner.compare.columns import Column, deviation, mean
from runner.compare.comparison import Comparison
from runner.compare.layout import count_title
from runner.compare.significance import Judged, Mark
from runner.rundir.storage import write_atomically

_TEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "Δ": r"$\Delta$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}  # fmt: skip
_MARKDOWN: dict[Mark, str] = {"best": "**{}**", "tied": "{} ~"}
_LATEX: dict[Mark, str] = {"best": r"\textbf{{{}}}", "tied": r"{}$^\sim$"}


def write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all. Raises `OSError` with the path."""
    write_atomically(path, text.encode())


def csv(comparison: Comparison) -> str:
    """A line a row: the keys that name it, then of every column mean, deviation, number of runs, whether it is best, and p.

    p is the probability of such a difference from the best where both were the same. Empty is what there is not, and what no
    row has is left out.
    """
    rows = comparison.rows
    found = [(key, [row.named.get(key, "") for row in rows]) for key in comparison.keys]
    found += [
        ("network", [row.network for row in rows]),
        (count_title(comparison), [str(len(row.runs)) for row in rows]),
    ]
    for column, verdicts in zip(comparison.columns, comparison.verdicts, strict=True):
        found += _parts(column, verdicts)
    text = io.StringIO()
    writer = comma.writer(text, lineterminator="\n")
    writer.writerow([title for title, _ in found])
    writer.writerows(zip(*(cells for _, cells in found), strict=True))
    return text.getvalue()


def _parts(column: Column, verdicts: Sequence[Judged]) -> list[tuple[str, list[str]]]:
    means = [mean(samples) for samples in column.samples]
    numbers = [text if value is None else repr(value) for text, value in zip(column.texts, means, strict=True)]
    parts = {
        "std": [_or_empty(deviation(samples)) for samples in column.samples],
        "n": [str(len(samples) or "") for samples in column.samples],
        "best": ["yes" if verdict.mark == "best" else "" for verdict in verdicts],
        "p": [_or_empty(verdict.probability) for verdict in verdicts],
    }
    return [(column.key, numbers), *((f"{column.key} {part}", cells) for part, cells in parts.items() if any(cells))]


def _or_empty(value: float | None) -> str:
    return "" if value is None else repr(value)


def markdown(comparison: Comparison) -> str:
    """The table with its heading and remarks; the best of a column is bold."""
    titles, rows = _cells(comparison, _MARKDOWN, _in_markdown)
    names = _name_columns(comparison)
    rule = ["---" if number < names else "---:" for number in range(len(titles))]
    table = [f"| {' | '.join(cells)} |" for cells in ([_in_markdown(title) for title in titles], rule, *rows)]
    remarks = [_in_markdown(line.replace("* best", "bold: best")) for line in comparison.remarks]
    return "\n\n".join([*map(_in_markdown, comparison.heading), "\n".join(table), *remarks]) + "\n"


def latex(comparison: Comparison) -> str:
    """A `tabular` with the rules of booktabs; heading and remarks are comments, and the best of a column is bold."""
    titles, rows = _cells(comparison, _LATEX, _in_latex)
    names = _name_columns(comparison)
    said = [*comparison.heading, *(line.replace("* best", "bold: best") for line in comparison.remarks)]
    lines = [f"% {line}" for line in said]
    lines += [rf"\begin{{tabular}}{{{'l' * names}{'r' * (len(titles) - names)}}}", r"\toprule"]
    lines += [_tex_line(map(_in_latex, titles)), r"\midrule"]
    for number, cells in enumerate(rows):
        if number and comparison.rows[number].like != comparison.rows[number - 1].like:
            lines.append(r"\midrule")
        lines.append(_tex_line(cells))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _name_columns(comparison: Comparison) -> int:
    return len(comparison.keys) + comparison.networks


def _cells(
    comparison: Comparison, forms: dict[Mark, str], escaped: Callable[[str], str]
) -> tuple[list[str], list[list[str]]]:
    titles = [*comparison.keys, *(["network"] if comparison.networks else []), count_title(comparison)]
    titles += [column.title for column in comparison.columns]
    rows = []
    for number, row in enumerate(comparison.rows):
        cells = [escaped(row.named.get(key, "")) for key in comparison.keys]
        cells += [escaped(row.network)] if comparison.networks else []
        cells.append(str(len(row.runs)))
        for column, verdicts in zip(comparison.columns, comparison.verdicts, strict=True):
            text = escaped(column.texts[number])
            cells.append(forms.get(verdicts[number].mark, "{}").format(text) if text else "")
        rows.append(cells)
    return titles, rows


def _in_markdown(text: str) -> str:
    for sign in "\\|*_<`":
        text = text.replace(sign, f"\\{sign}")
    return text


def _in_latex(text: str) -> str:
    return "".join(_TEX.get(sign, sign) for sign in text)


def _tex_line(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"
