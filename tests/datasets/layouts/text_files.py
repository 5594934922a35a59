"""Corpora of texts as Zhang et al. 2015 give them away: train.csv and test.csv of quoted lines."""

import csv
from collections.abc import Sequence
from pathlib import Path

CORPORA = (
    *("ag_news", "amazon_review_full", "amazon_review_polarity", "dbpedia", "sogou_news", "yahoo_answers"),
    *("yelp_review_full", "yelp_review_polarity"),
)
Line = tuple[object, ...]
TRAIN: Sequence[Line] = (
    (3, "Stocks", "fell by 3.5 % today, and rose again in the night"),
    (1, "Peace", 'said "enough"'),
    (2, "Goal", "2:1"),
    (1, "War", "ends"),
)
TEST: Sequence[Line] = ((2, "Cup", "is won"), (3, "Oil", "is up"))


def corpus(folder: Path, train: Sequence[Line] = TRAIN, test: Sequence[Line] = TEST) -> Path:
    """Write a corpus into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, lines in (("train", train), ("test", test)):
        with (folder / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(lines)
    return folder
