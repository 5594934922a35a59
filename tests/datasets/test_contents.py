"""Every dataset x every kind of content that cannot be right: refused with the file, the place, what was found and expected."""

from pathlib import Path

import pytest

from runner.errors import DataError
from tests.datasets.contents import FAULTS, LAYOUTS, Cell
from tests.datasets.test_faults import READ_BY_ROOT, built

pytestmark = pytest.mark.fault("F8")
CELLS = [
    pytest.param(layout, fault, id=f"{layout}-{fault}".replace(" ", "_"))
    for layout, content in LAYOUTS.items()
    for fault, cell in content.cells.items()
    if isinstance(cell, Cell)
]


def test_the_table_is_full() -> None:
    assert {layout.option for layout in LAYOUTS.values()} == set(READ_BY_ROOT)
    assert all(set(layout.cells) == set(FAULTS) for layout in LAYOUTS.values())


@pytest.mark.parametrize(("name", "fault"), CELLS)
def test_content_that_cannot_be_right_is_refused(name: str, fault: str, tmp_path: Path) -> None:
    layout, root = LAYOUTS[name], tmp_path / "data"
    root.mkdir()
    settings = layout.write(root)
    settings = settings if isinstance(settings, dict) else {}
    cell = layout.cells[fault]
    assert isinstance(cell, Cell)
    cell.damage(root / cell.file)
    with pytest.raises(DataError) as raised:
        built(layout.option, root, settings)
    told = str(raised.value)
    assert Path(cell.file).stem in told
    for words in cell.said:
        assert words in told.replace(str(root), ""), told
