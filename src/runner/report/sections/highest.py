"""The best of all measurements, which chooses on the test split, beside the last one."""

from runner.report.sections.section import Section, Shown, Summary
from runner.report.words import number


def _show(summary: Summary) -> Shown:
    if summary["selection_split"] is not None:
        return
    for key, found in summary["highest"].items():
        if found["measurements"] > 1:
            part = f" on {found['batches']} batches of the split" if found["batches"] else ""
            value = f"{key} {number(found['value'])} ({found['stage']}, step {found['step']})"
            yield f"best of {found['measurements']} measurements{part}, chosen on the test split: {value}"


HIGHEST = Section("highest", _show)
