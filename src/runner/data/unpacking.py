"""Archives unpacked beside where they lie, nothing outside the folder and nothing but files."""

import tarfile
import zipfile
from pathlib import Path

from runner.errors import DataError

_DONE = ".unpacked"


def unpack(archive: Path, folder: Path) -> None:
    """The files of a tar or zip archive into `folder`, once. Raises `DataError` for one that is broken or reaches outside."""
    mark = folder / f".{archive.name}{_DONE}"
    status = archive.stat()
    state = f"{status.st_size} {status.st_mtime_ns}"
    if mark.exists() and mark.read_text() == state:
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(folder)  # leaves out what would reach outside
        else:
            with tarfile.open(archive) as packed_tar:
                packed_tar.extractall(folder, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"{archive} ({status.st_size} bytes) cannot be unpacked: {error}") from None
    mark.write_text(state)
