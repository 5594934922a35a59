"""Compiled operations: C++ sources beside this file, each built once per machine and form into the user's cache folder."""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.spiking.native.forms import FLAGS, VARIABLE, Form, form

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

# No contraction: a fused multiply-add rounds once where the reference rounds twice, and a spike is a threshold.
COMMON_FLAGS = (
    *("-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"),
    *("-fopenmp", "-shared", "-fPIC"),
)


def library(name: str) -> ctypes.CDLL | None:
    """The compiled `name`.cpp in the form of `form`; None, said once in the log, where that is plain torch's."""
    return _library(name, form())


@cache
def _library(name: str, wanted: Form) -> ctypes.CDLL | None:
    if wanted == "torch":
        _say_torch(os.environ.get(VARIABLE) is not None)
        return None
    source = Path(__file__).with_name(f"{name}.cpp")
    try:
        return ctypes.CDLL(str(build(source, _folder(), FLAGS[wanted])))
    except (OSError, RuntimeError) as error:
        log.warning("%s runs in plain torch, several times slower, because it could not be compiled: %s", name, error)
        return None


@cache
def _say_torch(asked: bool) -> None:
    reason = f"{VARIABLE}=torch" if asked else "this processor has neither AVX2 nor AVX-512 nor NEON"
    log.warning("spiking layers run in plain torch, several times slower: %s", reason)


def call(name: str, function: str, *arguments: "ctypes.Structure | Tensor | None") -> int:
    """Call `function` of the compiled `name`, structures by reference and tensors as the address of their numbers."""
    compiled = getattr(library(name), function)
    compiled.restype = ctypes.c_int64
    return int(compiled(*map(_argument, arguments)))


def _argument(value: "ctypes.Structure | Tensor | None") -> Any:
    if value is None or isinstance(value, ctypes.Structure):
        return value and ctypes.byref(value)
    return ctypes.c_void_p(value.data_ptr())


def build(source: Path, folder: Path, units: tuple[str, ...]) -> Path:
    """Compile `source` into `folder` for the vector `units` unless it is there; safe when several processes do so at once.

    Raises `RuntimeError` with the reason: no compiler ($CXX, c++, g++, clang++), or what it complained of; and
    `KeyboardInterrupt` where a signal that stops the run stopped it.
    """
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))), None)
    if compiler is None:
        raise RuntimeError("no C++ compiler was found (CXX, c++, g++, clang++)")
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    command = [compiler, *COMMON_FLAGS, *units, str(source), "-Wl,--as-needed", *map(str, _openmp())]
    sources = (file.read_text() for file in (source, *sorted(source.parent.glob("*.hpp"))))
    parts = (version, _processor(), " ".join(command), *sources)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
    target = folder / f"{source.stem}-{digest}.so"
    if target.exists():
        return target
    log.info("compiling %s (once)", source.name)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / target.name
        result = subprocess.run([*command, "-o", str(made)], capture_output=True, text=True)
        if -result.returncode in (signal.SIGINT, signal.SIGTERM):
            raise KeyboardInterrupt  # what a terminal or a batch system stops are all processes of the run
        if result.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed: {result.stderr.strip()[-500:]}")
        made.replace(target)
    return target


def _folder() -> Path:
    """A folder that this user can write to, outlasting the process where possible."""
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "runner" / "native"
    try:
        root.mkdir(parents=True, exist_ok=True)
        if os.access(root, os.W_OK):
            return root
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="runner-native-"))


def _openmp() -> list[Path]:
    """The OpenMP runtime that torch brought: with a second one, the threads of either would spin in the other's way."""
    torch = find_spec("torch")
    assert torch is not None
    assert torch.origin is not None
    return sorted((Path(torch.origin).parent / "lib").glob("libgomp*.so*"))


def _processor() -> str:
    """What -march=native looks at."""
    about = Path("/proc/cpuinfo")
    if not about.exists():
        return platform.machine()
    wanted = ("model name", "flags", "Features", "CPU part")
    lines = [line for line in about.read_text().splitlines() if line.startswith(wanted)]
    return "\n".join(sorted(set(lines)))
