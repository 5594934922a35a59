"""Classes and their probabilities: a table on the screen and a CSV file."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from runner.predict.answers import Answer
from runner.rundir.storage import write_atomically

FILE = "labels.csv"
SHOWN = 40  # pictures in the table on the screen


def write_csv(answers: Sequence[Answer], output: Path) -> None:
    """A line for every class that is told of a picture: picture, task, rank from 1, class, probability."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("picture", "task", "rank", "class", "probability"))
    for answer in answers:
        for task, labels in answer.labels.items():
            for rank, label in enumerate(labels, start=1):
                lines.writerow((answer.path, task, rank, label.name, f"{label.probability:.6f}"))
    write_atomically(output / FILE, text.getvalue().encode())


def table(answers: Sequence[Answer]) -> Table:
    """The likeliest class of the first pictures with its probability, and the two after it."""
    several = len(answers[0].labels) > 1
    made = Table()
    for column in ("picture", *(["task"] if several else []), "class", "%", "then"):
        made.add_column(column, justify="right" if column == "%" else "left", overflow="fold")
    for answer in answers[:SHOWN]:
        for task, labels in answer.labels.items():
            first, *others = labels
            then = ", ".join(f"{label.name} {100 * label.probability:.1f}" for label in others[:2])
            made.add_row(answer.name, *([task] if several else []), first.name, f"{100 * first.probability:.1f}", then)
    if len(answers) > SHOWN:
        made.caption = f"and {len(answers) - SHOWN} more in {FILE}"
    return made
