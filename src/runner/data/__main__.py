"""The command `python -m runner.data`: which data sets there are, fetching and preparing one, looking through one.

list                                what can be trained on, and what can be fetched
info NAME                           what a set is, where it is published, every key of its option
prepare NAME [KEY=VALUE ...]        fetches it where the licence lets it, or says what to download; then fills the array cache
check NAME ROOT [KEY=VALUE ...]     opens everything and says what is there; one contact sheet for every split
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from runner.configuration import files
from runner.configuration.rules import describe, show
from runner.data.catalogue import PUBLISHED
from runner.data.reading import opened, option, settings
from runner.errors import told
from runner.screen import be_courteous

_SAID = 10.0  # seconds between two lines of progress


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(
        prog="python -m runner.data", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = made.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="one line for every data set")
    info = commands.add_parser("info", help="one data set")
    prepare = commands.add_parser("prepare", help="fetch a data set and fill its array cache")
    check = commands.add_parser("check", help="look through a data set")
    for command in (info, prepare, check):
        command.add_argument("name", metavar="NAME", help="the dataset= of a run")
    prepare.add_argument(
        "--source",
        help="where it lies: a folder, an archive, or an address in front of its files' names, instead of the official one",
    )
    prepare.add_argument("--root", type=Path, help="the folder to put it into; default: the option's own dataset.root")
    check.add_argument("root", metavar="ROOT", type=Path, help="the folder that holds it")
    check.add_argument("--output", type=Path, help="folder for the contact sheets; default: checked/NAME")
    for command in (prepare, check):
        command.add_argument("--cache", type=Path, help="folder of the array cache, the cache_dir= of the runs")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 2 for what was typed, 3 for data, 6 for disk and permission."""
    commands = parser()
    options, typed = commands.parse_known_args(arguments)
    if typed and (options.command in ("list", "info") or any(one.startswith("-") for one in typed)):
        commands.error(f"unrecognized arguments: {' '.join(typed)}")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        match options.command:
            case "list":
                print("\n".join(listed()))
            case "info":
                print("\n".join(described(options.name)))
            case "prepare":
                prepared(options, typed)
            case "check":
                checked(options, typed)
    except (ValueError, OSError) as error:
        return told(error)
    except KeyboardInterrupt:
        print("runner: stopped; what has arrived is kept, the same command goes on", file=sys.stderr)
        return 130
    return 0


def listed() -> list[str]:
    """A line for every data set."""
    known = files.options("dataset")
    width = max(map(len, known))
    return [f"{name:{width}}  {content['_about_']}  [{_way(name, content)}]" for name, content in sorted(known.items())]


def _way(name: str, content: dict[str, object]) -> str:
    if "root" not in content:
        return "made here"
    published = PUBLISHED.get(name)
    if published is None:
        return "reads a folder of yours"
    return "can be fetched" if published.places else "download by hand"


def described(name: str) -> list[str]:
    """What is known of a data set."""
    content = option(name)
    lines = [f"{name}: {content['_about_']}"]
    published = PUBLISHED.get(name)
    if published is not None:
        counts = ", ".join(f"{count} {split}" for split, count in published.counts.items())
        lines += [f"published: {counts or 'no numbers that are known here'}", f"licence: {published.licence}"]
        lines += [f"from: {place}" for place in published.places]
        lines += [
            f"file: {file.name}  {'md5 ' + file.md5 if file.md5 else 'no published sum'}" for file in published.files
        ]
        lines += [f"by hand: {line}" for line in published.by_hand]
    lines += [f"tasks: {', '.join(content['_offers_'])}", "keys:"]
    lines += [f"  {key}={show(content[key])}  ({describe(rule)})" for key, rule in content["_rules_"].items()]
    return lines


def prepared(options: argparse.Namespace, typed: Sequence[str]) -> None:
    """Prepare a data set and say how it is used."""
    from runner.data.preparing import prepare

    begin = time.monotonic()
    node, data = prepare(options.name, options.source, options.root, typed, options.cache)
    counts = ", ".join(f"{len(samples)} {split}" for split, samples in data.splits.items())
    root = f" dataset.root={node['root']}" if "root" in node else ""
    print(
        f"{options.name}: {counts}, ready in {time.monotonic() - begin:.1f} s; use it as dataset={options.name}{root}"
    )


def checked(options: argparse.Namespace, typed: Sequence[str]) -> None:
    """Look through a data set and print what was found."""
    from runner.data import checking, sheet
    from runner.datasets.sources import cache_beside

    node = settings(options.name, typed, options.root)
    data = opened(node, options.cache or cache_beside(node.get("root")))
    total, done, said = sum(map(len, data.splits.values())), 0, time.monotonic()

    def advanced(count: int) -> None:
        nonlocal done, said
        done += count
        if time.monotonic() - said > _SAID:
            said = time.monotonic()
            print(f"{done} of {total} samples", file=sys.stderr)

    found = checking.look_through(data, advanced)
    for line in checking.report(data, found):
        print(line)
    for key, value in data.about.items():
        print(f"{key}: {_plain(value)}")
    output = options.output or Path("checked") / options.name
    print("contact sheets:", ", ".join(str(sheet.write(data, split, output)) for split in data.splits))
    print(checking.verdict(PUBLISHED.get(options.name), data, found))


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    be_courteous()
    sys.exit(main())
