import argparse
import json
import sys
import warnings

import pytest
import safetensors.torch
import torch
from torch import nn

from runner.errors import CheckpointError
from runner.interop.state import load_state, read

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


def test_safetensors_are_told_by_their_content(tmp_path):
    safetensors.torch.save_file(STATE, tmp_path / "model.safetensors")
    (tmp_path / "renamed.bin").write_bytes((tmp_path / "model.safetensors").read_bytes())
    for name in ("model.safetensors", "renamed.bin"):
        assert equal(load_state(tmp_path / name, "net"))


@pytest.mark.parametrize("length", [60, 123])  # whose first byte is "<", "{"
def test_a_header_whose_length_looks_like_a_text_is_one(tmp_path, length):
    described = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    header = json.dumps(described, separators=(",", ":")).encode().ljust(length)
    (tmp_path / "a.safetensors").write_bytes(length.to_bytes(8, "little") + header + bytes(4))
    assert read(str(tmp_path / "a.safetensors"))["a"].tolist() == [0.0]


@pytest.mark.parametrize("name", ["whole.pt", "old.pt", "whole.safetensors"])
@pytest.mark.parametrize("share", [0, 0.3, 0.98])
def test_files_that_were_cut_short_are_refused(tmp_path, name, share):
    path = tmp_path / name
    if name == "whole.safetensors":
        safetensors.torch.save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=name == "whole.pt")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=rf"{name}: (cannot be read as|not a checkpoint of plain tensors)"):
        read(str(path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "is a pointer of Git LFS, .* by `git lfs pull`",
        ),
        (b"\n<!doctype html>", "is a page of the web, not the file behind it; fetch"),
        (b'{"error": "not found"}', "is a text, such as a server's answer, not weights; fetch"),
    ],
)
def test_what_a_download_left_in_place_of_weights_is_named(tmp_path, content, said):
    for name in ("model.safetensors", "model.pt"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=f"{name}: {said}"):
            read(str(tmp_path / name))


def test_what_a_file_would_execute_is_named(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pt")
    with pytest.raises(CheckpointError, match=r"\(it would execute torch\.nn\.modules\.linear\.Linear\)"):
        read(str(tmp_path / "whole.pt"))


def test_a_program_is_not_run(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is going out of use
        torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(tmp_path / "program.pt")
    with pytest.raises(CheckpointError, match=r"is a program of TorchScript; save its state_dict\(\) and give that"):
        read(str(tmp_path / "program.pt"))


def test_without_safetensors_the_extra_is_named(tmp_path, monkeypatch):
    safetensors.torch.save_file(STATE, tmp_path / "model.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(CheckpointError, match=r'safetensors is not installed; pip install "runner\[export\]"'):
        read(str(tmp_path / "model.safetensors"))
