"""Files as they were packed for a download: what is inside decides, not what a name ends in."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Container
from pathlib import Path, PurePosixPath

from runner.datasets.listing import is_foreign
from runner.errors import DataError

ENDINGS = (".gz", ".zip", ".bz2", ".xz")  # of one packed file
ARCHIVES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")  # of a packed folder
_NOT_DATA = {
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"version https://git-lfs": "a pointer of git-lfs, whose file was not fetched",
}
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError)


def unpacked(data: bytes, path: Path, remedy: str) -> bytes:
    """What is in the bytes of `path`: themselves, or the one file that they are a gzip, bzip2, xz or zip file of."""
    start = data[:32].lstrip().lower()
    for beginning, words in _NOT_DATA.items():
        if start.startswith(beginning):
            raise DataError(f"{path} ({len(data)} bytes) is {words}, not the file that it is called; {remedy}")
    for beginning, (kind, unpack) in _PACKINGS.items():
        if data.startswith(beginning):
            try:
                return unpack(data)
            except _DAMAGED as error:
                raise DataError(f"{path} ({len(data)} bytes) is not a whole {kind} file: {error}; {remedy}") from None
    return data


def _only_member(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [
            one for one in archive.infolist() if not one.is_dir() and not any(map(is_foreign, Path(one.filename).parts))
        ]
        if len(members) != 1:
            raise zipfile.BadZipFile(f"it holds {len(members)} files where one was expected; unpack it")
        return archive.read(members[0])


_PACKINGS: dict[bytes, tuple[str, Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": ("gzip", gzip.decompress),
    b"BZh": ("bzip2", bz2.decompress),
    b"\xfd7zXZ\x00": ("xz", lzma.decompress),
    b"PK\x03\x04": ("zip", _only_member),
}


def is_packed(start: bytes) -> bool:
    """Whether a file that begins so is packed."""
    return start.startswith(tuple(_PACKINGS))


def members(archive: Path, wanted: Container[str], remedy: str) -> dict[str, bytes]:
    """The files of a tar archive (packed or not) or zip archive whose own names are wanted, never written to disk."""
    try:
        found = _of_zip(archive, wanted) if zipfile.is_zipfile(archive) else _of_tar(archive, wanted)
    except (tarfile.TarError, *_DAMAGED) as error:
        size, kind = archive.stat().st_size, "".join(archive.suffixes[-2:])
        raise DataError(f"{archive} ({size} bytes) is not a whole {kind} archive: {error}; {remedy}") from None
    return found


def _of_tar(archive: Path, wanted: Container[str]) -> dict[str, bytes]:
    found = {}
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            name = PurePosixPath(member.name).name
            content = tar.extractfile(member) if name in wanted and member.isfile() else None
            if content:
                found[name] = content.read()
    return found


def _of_zip(archive: Path, wanted: Container[str]) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as packed:
        return {
            PurePosixPath(one.filename).name: packed.read(one)
            for one in packed.infolist()
            if PurePosixPath(one.filename).name in wanted and not one.is_dir()
        }
