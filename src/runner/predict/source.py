"""The network that predicts: of an exported folder, or of a finished run."""

from collections.abc import Collection
from pathlib import Path

from runner.errors import ConfigurationError, DataError
from runner.export import Exported, load
from runner.export.network import DESCRIPTION, for_inference, stored
from runner.export.run import Run
from runner.export.write import contents
from runner.rundir.folder import RunFolder


def network(place: Path, predictor: str | None = None, plugins: Collection[str] = ()) -> Exported:
    """The network of an export or of a run's predictor, by default of its main one; for pictures.

    Raises `DataError` where `place` is neither, `ConfigurationError` where it has not that predictor or takes no pictures.
    """
    if (place / DESCRIPTION).is_file():
        found = load(place, plugins)
        own = found.content["predictor"]
        if predictor not in (None, own):
            raise ConfigurationError(f"--predictor {predictor} is not in {place}, which is an export of {own}")
    elif RunFolder(place).config.is_file():
        run = Run(place, plugins)
        name, trained = run.network(predictor)
        found = Exported(for_inference(trained), {**contents(run, name), **stored(trained)[0]}, plugins)
    else:
        raise DataError(f"{place} is neither a finished run nor an exported network")
    found.require_pictures()
    return found
