"""What was asked of one run, kept beside it: its overrides as Hydra keeps them, and a command line that finds it again."""

import shlex
from pathlib import Path

import yaml
from hydra.conf import HydraConf


def overrides_file(hydra: HydraConf, folder: Path, name: str) -> bytes:
    """overrides.yaml of the run in `folder`, which would be called `name`: a list, below the command as a comment.

    The command is that of this run alone where a sweep started it.
    """
    overrides = [override.lstrip("+") for override in hydra.overrides.task]
    others = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
    words = ["python", "-m", "runner", *(word for path in others for word in ("--config-dir", path)), *overrides]
    if folder != Path(hydra.runtime.cwd) / "outputs" / name:
        words.append(f"hydra.run.dir={folder}")
    lines = shlex.join(words).splitlines()  # a folder's name may hold the end of a line
    comment = "".join(f"# {line}\n" for line in [f"in {hydra.runtime.cwd}:", *lines])
    return (comment + yaml.safe_dump(overrides, allow_unicode=True)).encode(errors="surrogateescape")
