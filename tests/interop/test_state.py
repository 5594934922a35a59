import argparse

import pytest
import torch

from runner.errors import CheckpointError
from runner.interop.state import load_state

STATE = {"a.weight": torch.arange(3.0), "b.bias": torch.ones(2)}


def equal(found):
    return found.keys() == STATE.keys() and all(torch.equal(found[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize(
    "content", [STATE, {"net": STATE, "epoch": 3}, {"net": {f"module.{name}": value for name, value in STATE.items()}}]
)
def test_states_wrappers_and_files(content, tmp_path):
    assert equal(load_state(content, "net"))
    path = tmp_path / "checkpoint.pt"
    torch.save(content, path)
    assert equal(load_state(path, "net"))
    assert equal(load_state(str(path), "net"))


def test_missing_files(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing.pt: no such file"):
        load_state(tmp_path / "nothing.pt", "net")


def test_damaged_files(tmp_path):
    torch.save(STATE, tmp_path / "whole.pt")
    (tmp_path / "half.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:300])
    (tmp_path / "text.pt").write_text("no checkpoint")
    for name in ("half.pt", "text.pt"):
        with pytest.raises(CheckpointError, match=name):
            load_state(tmp_path / name, "net")


def test_files_with_code_are_not_executed(tmp_path):
    torch.save({"net": STATE, "args": argparse.Namespace(a=1)}, tmp_path / "code.pt")
    with pytest.raises(
        CheckpointError, match=r"code.pt: not a checkpoint of plain tensors .*torch.save\(state, file\)"
    ):
        load_state(tmp_path / "code.pt", "net")


def test_other_contents(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"no state of tensors under 'net' nor at the top; it holds 'epoch', 'best'"
    ):
        load_state({"epoch": 3, "best": 0.5}, "net")
    with pytest.raises(CheckpointError, match="it holds nothing"):
        load_state({}, "net")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match=r"list.pt: holds a list"):
        load_state(tmp_path / "list.pt", "net")
