"""Files that are either whole or absent: temporary file, fsync, rename, fsync of the folder."""

import errno
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`; after a crash it holds the old or the new content, never part of either.

    One passing input/output error is retried; a full disk leaves no temporary file and raises `OSError` with path and size.
    """
    temporary = write_temporary(path, content)
    os.replace(temporary, path)
    sync_folder(path.parent)


def write_temporary(path: Path, content: bytes) -> Path:
    """Write `content` durably to a temporary file beside `path` and return its name."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _retry_once(lambda: _write(temporary, content))
    return temporary


def _write(path: Path, content: bytes) -> None:
    try:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, f"cannot write {len(content)} bytes: {error.strerror}", str(path)) from error


def _retry_once(write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        time.sleep(0.1)
        write()


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def without_nan(value: Any) -> Any:
    """The same plain value with null for every nan, which JSON does not know."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically."""
    write_atomically(path, (json.dumps(without_nan(content), indent=2) + "\n").encode())
