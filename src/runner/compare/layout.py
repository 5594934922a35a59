"""A comparison on a screen: a table that fits, several below each other where it does not, blocks on a narrow one."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len

from runner.compare.columns import Column, Row
from runner.compare.comparison import Comparison
from runner.compare.configurations import SEED
from runner.compare.significance import Mark
from runner.report.tables import NARROW

_GAP = "  "
_SIGNS: Mapping[Mark, str] = {"best": " *", "tied": " ~"}


@dataclass(frozen=True)
class Strip:
    """A column as it is written: a title of one or two lines, and the lines of every row."""

    title: Sequence[str]
    cells: Sequence[Sequence[str]]
    right: bool = True

    @cached_property
    def width(self) -> int:
        """In characters of a terminal, of which letters of some scripts take two."""
        return max(cell_len(line) for cell in (self.title, *self.cells) for line in cell or [""])


def lines(comparison: Comparison, width: int | None) -> Iterator[str]:
    """The comparison with its heading and remarks; `width` in characters, None where lines may be of any length."""
    yield from _wrapped(comparison.heading, width)
    yield ""
    names, values = _names(comparison), _values(comparison)
    room = None if width is None else width - sum(strip.width + len(_GAP) for strip in names)
    if width is not None and room is not None and (width < NARROW or room < max(strip.width for strip in values)):
        yield from _blocks(comparison)
    else:
        for part in _parts(values, room):
            yield from _table([*names, *part], comparison.rows)
            yield ""
    yield from _wrapped(comparison.remarks, width)


def _wrapped(said: Sequence[str], width: int | None) -> Iterator[str]:
    for line in said:
        yield from (
            [line] if width is None else textwrap.wrap(line, width, subsequent_indent="  ", break_on_hyphens=False)
        )


def terminal() -> int | None:
    """Characters of a line of the terminal; None where the output goes elsewhere and COLUMNS says nothing."""
    fits = sys.stdout.isatty() or "COLUMNS" in os.environ
    return shutil.get_terminal_size().columns if fits else None


def name(row: Row, keys: Sequence[str]) -> list[str]:
    """What a row is called, a line a key; the value alone where rows differ in one."""
    return [row.named.get(keys[0], "")] if len(keys) == 1 else [f"{key}={value}" for key, value in row.named.items()]


def count_title(comparison: Comparison) -> str:
    """What the number of runs of a row is called."""
    return "seeds" if list(comparison.pooled) == [SEED] else "runs"


def signed(comparison: Comparison, column: int) -> list[str]:
    """The texts of a column with their signs; of equal length where any has one."""
    texts = comparison.columns[column].texts
    signs = [_SIGNS.get(verdict.mark, "") for verdict in comparison.verdicts[column]]
    return [text + (sign or "  ") if any(signs) else text for text, sign in zip(texts, signs, strict=True)]


def _names(comparison: Comparison) -> list[Strip]:
    keys, rows = comparison.keys, comparison.rows
    found = []
    if keys:
        found.append(Strip([keys[0] if len(keys) == 1 else "configuration"], [name(row, keys) for row in rows], False))
    if comparison.networks:
        found.append(Strip(["network"], [[row.network] for row in rows], False))
    return [*found, Strip([count_title(comparison)], [[str(len(row.runs))] for row in rows])]


def _values(comparison: Comparison) -> list[Strip]:
    return [
        Strip(_title(column), [[text] for text in signed(comparison, number)])
        for number, column in enumerate(comparison.columns)
    ]


def _title(column: Column) -> list[str]:
    """In two lines where it has two parts."""
    if column.key.startswith("published/"):
        return [column.key.split("/")[2], "published"]
    return column.title.split("/") if "/" in column.title else column.title.rsplit(" ", 1)


def _parts(strips: Sequence[Strip], room: int | None) -> Iterator[list[Strip]]:
    """As many columns together as there is room for."""
    part: list[Strip] = []
    used = 0
    for strip in strips:
        if part and room is not None and used + strip.width + len(_GAP) * len(part) > room:
            yield part
            part, used = [], 0
        part.append(strip)
        used += strip.width
    if part:
        yield part


def _table(strips: Sequence[Strip], rows: Sequence[Row]) -> Iterator[str]:
    """Titles, a rule, the rows; a line between those that are not compared."""
    height = max(len(strip.title) for strip in strips)
    yield from _lines([[""] * (height - len(strip.title)) + list(strip.title) for strip in strips], strips)
    rule = "─" * (sum(strip.width for strip in strips) + len(_GAP) * (len(strips) - 1))
    before = None
    for number, row in enumerate(rows):
        if row.like != before:
            yield rule
        before = row.like
        yield from _lines([strip.cells[number] for strip in strips], strips)


def _lines(cells: Sequence[Sequence[str]], strips: Sequence[Strip]) -> Iterator[str]:
    for number in range(max(map(len, cells))):
        texts = [cell[number] if number < len(cell) else "" for cell in cells]
        padded = [_padded(text, strip) for text, strip in zip(texts, strips, strict=True)]
        yield _GAP.join(padded).rstrip()


def _padded(text: str, strip: Strip) -> str:
    blanks = " " * (strip.width - cell_len(text))
    return blanks + text if strip.right else text + blanks


def _blocks(comparison: Comparison) -> Iterator[str]:
    """One block a row."""
    titles = [column.title for column in comparison.columns]
    texts = [signed(comparison, number) for number in range(len(titles))]
    width = max(map(cell_len, [*titles, count_title(comparison)]))
    for number, row in enumerate(comparison.rows):
        yield from name(row, comparison.keys)
        if comparison.networks:
            yield row.network
        yield f"  {count_title(comparison):{width}}  {len(row.runs)}"
        for place, title in enumerate(titles):
            text = texts[place][number].rstrip()
            if text:
                yield f"  {title}{' ' * (width - cell_len(title))}  {text}"
        yield ""
