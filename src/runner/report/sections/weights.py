"""What weights of elsewhere gave the networks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from runner.report.sections.section import Section, Shown, Summary


def weights_in_words(found: Mapping[str, Any]) -> str:
    """One line of a `runner.report.schema.Weights`; names are counted by their first part."""
    parts = [f"{kind}: {_counted(found[kind])}" for kind in ("fresh", "unused") if found[kind]]
    whole = found["loaded"] + len(found["fresh"])
    return "; ".join([f"weights: {found['loaded']} of {whole} tensors from {found['file']}", *parts])


def _counted(names: Sequence[str]) -> str:
    counts = Counter(name.partition(".")[0] for name in names)
    return ", ".join(f"{part} ({count})" for part, count in counts.items())


def _show(summary: Summary) -> Shown:
    yield weights_in_words(summary["weights"])


WEIGHTS = Section("weights", _show)
