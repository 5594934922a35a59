"""Files and folders that are either whole or absent: a temporary one, fsync, rename, fsync of the folder around it."""

import errno
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from runner.errors import CheckpointError

Done = TypeVar("Done")
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS, errno.EACCES)  # a folder


def typed_path(text: str) -> Path:
    """A path as one types it: with the home folder for a `~`, which a shell leaves alone in quotes and behind a `=`."""
    return Path(text).expanduser()


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
    retried(lambda: _write(temporary, content))
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


def retried(access: Callable[[], Done]) -> Done:
    """What `access` to a disk gives; once more where it met an input/output error, which may be a passing one."""
    try:
        return access()
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        time.sleep(0.1)
        return access()


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable, where its disk can: FUSE, SMB and others refuse, and do it in their own time."""
    retried(lambda: _sync(folder, _CANNOT_SYNC))


def sync_file(path: Path) -> None:
    """Make what was written to a file durable; one passing input/output error is retried."""
    retried(lambda: _sync(path, ()))


def _sync(path: Path, passed_over: Collection[int]) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in passed_over:
            raise OSError(error.errno, f"cannot save: {error.strerror}", str(path)) from error
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
    """Write `content` as JSON, atomically: a line for every key, and one for a list of numbers or words."""
    write_atomically(path, (_as_text(without_nan(content), "") + "\n").encode())


def _as_text(value: Any, indent: str) -> str:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not items or (isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in items)):
        return json.dumps(value)
    keys = [f"{json.dumps(key)}: " for key in value] if isinstance(value, dict) else [""] * len(value)
    inner = indent + "  "
    lines = [f"{inner}{key}{_as_text(item, inner)}" for key, item in zip(keys, items, strict=True)]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([opening, ",\n".join(lines), indent + closing])


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """The mapping that a JSON file of a run holds; `CheckpointError` with the file and the `remedy` where it holds none."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:  # no JSON, or no UTF-8
        raise damaged(path, str(error), remedy) from None
    if not isinstance(content, dict):
        raise damaged(path, f"it holds {content!r:.20} in place of keys and values", remedy)
    return content


def damaged(path: Path, reason: str, remedy: str) -> CheckpointError:
    """The error for a file of a run that is not as it was written."""
    return CheckpointError(f"{path} is damaged: {reason}; {remedy}")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder to write into, which takes the place of `path` when the context ends well; otherwise nothing is left of it.

    What was at `path` stays there until then; it comes back where the new one cannot take its place.
    """
    path = path.resolve()
    made = [parent for parent in path.parents if not parent.exists()]
    temporary, before = (path.with_name(f".{path.name}.{os.getpid()}.{end}") for end in ("tmp", "before"))
    try:
        temporary.mkdir(parents=True)
        yield temporary
        sync_folder(temporary)
        _take_place(temporary, path, before)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in made:  # the innermost first
            with suppress(OSError):
                parent.rmdir()
        raise
    sync_folder(path.parent)
    shutil.rmtree(before, ignore_errors=True)


def _take_place(new: Path, path: Path, before: Path) -> None:
    if not path.exists():
        os.replace(new, path)
        return
    os.replace(path, before)
    try:
        os.replace(new, path)
    except OSError:
        os.replace(before, path)
        raise
