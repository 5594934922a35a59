"""Picture after picture through a network, and everything that is seen in them on disk."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from runner.errors import DataError
from runner.export import Exported
from runner.predict.answers import Answer, Asked, answers, kinds, row, write
from runner.predict.labels import write_csv
from runner.preparation import colours_of
from runner.report.plots.page import ACROSS, Row, page
from runner.report.plots.predictions import Kind

ROWS = 8  # on a page


class Job:
    """What is seen in pictures, written as it comes: maps at once, a page when it is full, the labels' table at the end."""

    def __init__(self, net: Exported, output: Path) -> None:
        self.net, self.output = net, output
        numbered = {name: tuple(map(str, range(task.channels))) for name, task in net.tasks.items()}
        self.class_names = {**numbered, **net.class_names}
        self.drawn: dict[str, Kind] = {}
        self.labelled: list[Answer] = []  # without their pictures and maps
        self.pages = self.unreadable = 0
        self._rows: list[Row] = []

    def run(
        self,
        pictures: Iterable[tuple[Path, str]],
        batch: int,
        report: Callable[[str], None],
        done: Callable[[int], None],
    ) -> None:
        """Look at pictures, each a file with its name in the output, `batch` of them at a time.

        `report` is told of every one that cannot be read, `done` how many more are dealt with. What has been seen is on disk
        when this ends, whatever ends it.
        """
        self.output.mkdir(parents=True, exist_ok=True)
        waiting = iter(pictures)
        try:
            while group := list(islice(waiting, batch)):
                asked = list(self._readable(group, report))
                for answer in answers(self.net, asked, self.class_names) if asked else ():
                    self._take(answer)
                done(len(group))
        finally:
            self._finish()

    def _readable(self, group: Sequence[tuple[Path, str]], report: Callable[[str], None]) -> Iterator[Asked]:
        for path, name in group:
            try:
                colours = colours_of(path)
            except DataError as error:
                self.unreadable += 1
                report(str(error))
            else:
                yield Asked(path, name, colours)

    def _take(self, answer: Answer) -> None:
        self.drawn = {**kinds(answer, self.net.tasks), **dict.fromkeys(answer.labels, "label")}
        maps = {task: kind for task, kind in self.drawn.items() if kind != "label"}
        write(answer, maps, self.class_names, self.output)
        self._rows.append(row(answer, maps))
        if answer.labels:
            self.labelled.append(answer._replace(colours=answer.colours.new_empty(0), maps={}, spikes=None))
        if len(self._rows) == (ROWS if maps else ROWS * ACROSS):
            self._turn()

    def _turn(self) -> None:
        """Draw the page and begin the next."""
        self.pages += 1
        path = self.output / f"page{self.pages}.png"
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            page(self._rows, self.drawn, self.class_names, temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        self._rows = []

    def _finish(self) -> None:
        if self._rows:
            self._turn()
        if self.labelled:
            write_csv(self.labelled, self.output)
