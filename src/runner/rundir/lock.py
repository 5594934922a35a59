"""Locks on files, also where the disk knows none: Lustre without `-o flock`, some network disks."""

import contextlib
import errno
import fcntl
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.errors import BusyError

log = logging.getLogger("runner")
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL)
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # process numbers begin again with every start of the machine
_SPACE = Path("/proc/self/ns/pid")  # and in every container


@contextmanager
def locked(path: Path, busy: Callable[[str], str]) -> Iterator[None]:
    """Hold the lock file `path` for one process; it is free again when the process is dead, however it died.

    Raises `BusyError` where another process holds it, in the words that `busy` makes of its holder. On a disk without locks a
    second file beside it names the holder, said in one warning: there the lock of one that died on another machine stays.
    """
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise BusyError(busy(file.read().strip())) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise OSError(error.errno, f"cannot lock: {error.strerror}", str(path)) from error
            log.warning(
                "the disk of %s cannot lock files; a file %s.held is used in place of a lock", path.parent, path.name
            )
        else:
            file.truncate(0)
            file.write(this_process().partition("\n")[0] + "\n")
            file.flush()
            yield
            return
    with _held(path.with_name(f"{path.name}.held"), busy):
        yield


@contextmanager
def _held(path: Path, busy: Callable[[str], str]) -> Iterator[None]:
    """`path` exists while it is held; it is taken over from a process of this machine that is no more."""
    for last in (False, True):
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
            break
        except FileExistsError:
            holder = path.read_text(errors="replace")
            if last or lives(holder):
                told = holder.partition("\n")[0]
                raise BusyError(f"{busy(told)}; where it is no more, delete {path}") from None
            path.unlink(missing_ok=True)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(this_process())
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def this_process() -> str:
    """Names this process for `lives`; the first line is for people."""
    return f"process {os.getpid()} on {socket.gethostname()}\n{_numbering()}\n"


def lives(named: str) -> bool:
    """Whether a process that `this_process` named may still be at work.

    Of those on other machines nobody can say, nor of those in other containers, whose processes have other numbers here.
    """
    number = number_here(named)
    if number is not None:
        return number != os.getpid() and _runs(number)
    first, _, numbering = named.partition("\n")
    return not first.endswith(f" on {socket.gethostname()}") or numbering.split()[:1] == _numbering().split()[:1]


def number_here(named: str) -> int | None:
    """The number of a process that `this_process` named; None where numbers are of other processes than there."""
    words, numbering = named.partition("\n")[0].split(), named.partition("\n")[2].strip()
    if len(words) != 4 or not words[1].isdigit() or words[3] != socket.gethostname() or numbering != _numbering():
        return None
    return int(words[1])


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state != "Z"  # dead, and not yet buried


def _numbering() -> str:
    """What process numbers are of: a start of the machine, and a container on it."""
    with contextlib.suppress(OSError):
        return f"{_BOOT.read_text().strip()} {os.readlink(_SPACE)}"
    return ""
