"""What `python -m runner --help` says."""

from collections.abc import Sequence

from runner.configuration import files

USAGE = """runner: AdaShare, Knowledge Evolution, TSSL-BP and their baselines.

usage: python -m runner [key=value ...]         one run
       python -m runner -m key=a,b [...]        every combination; again: only what is missing
       python -m runner --cfg job [...]         show the composed configuration

"""


def text() -> str:
    """How the command is used, and one line for every method, dataset, model, choice inside them, and experiment."""
    lines: list[str] = []
    for group in files.GROUPS:
        lines += _group(group, f"{group}=")
        for part in files.parts(group):
            lines += _group(f"{group}/{part}", f"{group}.{part}=")
    return USAGE + "\n".join([*lines, *_group("experiment", "experiment=")])


def _group(group: str, title: str) -> Sequence[str]:
    about = {name: content.get("_about_", "") for name, content in files.options(group).items()}
    about |= {name: f"cannot be used: {fault}" for name, fault in files.faults(group).items()}
    width = max(map(len, about), default=0)
    lines = [title]
    for name, words in sorted(about.items()):
        folder = files.origin(group, name)
        lines.append(f"  {name:{width}}  {words}".rstrip() + (f"  ({folder})" if folder else ""))
    return lines
