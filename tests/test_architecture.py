"""Rooms by subject, arrows down: what a room may import, held against every import in src."""

import ast
from pathlib import Path

import runner

SOURCE = Path(runner.__file__).parent
FLOORS = [  # from the ground up; a room imports from its own floor's rooms only itself, from every floor below what it likes
    {"errors", "pulse", "processes"},
    {"seeds", "device", "exchange", "configuration", "console", "extras", "preparation", "screen"},
    {"layers", "rundir"},
    {"tasks", "trackers"},
    {"batch"},
    {"method"},
    {"stages"},
    {"spiking", "evolution", "policies"},
    {"models", "datasets"},
    {"interop", "training", "methods"},
    {"report"},
    {"compare"},
    {"run", "export", "sweep", "data"},
    {"predict", "figures"},
    {"__main__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Modules of the runner that a file imports anywhere, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("runner.")}


def arrows() -> dict[tuple[str, str], list[str]]:
    """(importing room, imported room) -> where."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for name in imported(path):
            target = name.split(".")[1]
            if target in FLOOR and target != room_of(path):
                found.setdefault((room_of(path), target), []).append(str(path.relative_to(SOURCE)))
    return found


def test_every_room_has_its_floor():
    rooms = {room_of(path) for path in SOURCE.rglob("*.py")} - {"__init__", "conf"}
    assert rooms == set(FLOOR)


def test_imports_between_rooms_point_down():
    upward = {pair: where for pair, where in arrows().items() if FLOOR[pair[1]] >= FLOOR[pair[0]]}
    assert not upward


def test_rooms_do_import_each_other_so_that_the_test_above_can_fail():
    assert ("methods", "method") in arrows()
    assert ("run", "training") in arrows()
