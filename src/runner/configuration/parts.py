"""One run by several processes, as torchrun starts them: what of a configuration has to divide among them."""

from runner.configuration.settings import Settings
from runner.errors import ConfigurationError


def require_for_all(settings: Settings, count: int) -> None:
    """Raise `ConfigurationError` for what `count` processes cannot do together: parts of a batch of unequal sizes."""
    if settings.compile and count > 1:
        raise ConfigurationError(
            f"compile=true compiles the steps of one process, and torchrun has {count} make them together; use compile=false, or "
            "start the run without torchrun"
        )
    size = settings.method["batch_size"]
    if size % count:
        fewer = max(size // count, 1) * count
        raise ConfigurationError(
            f"method.batch_size={size} does not divide among {count} processes; use a multiple of {count}, {fewer} or "
            f"{fewer + count} for instance, or another --nproc-per-node"
        )


def refuse_sweep(count: int) -> None:
    """Raise `ConfigurationError` where several processes would each begin a sweep."""
    if count > 1:
        raise ConfigurationError(
            f"-m starts run after run, and torchrun has {count} processes make one; start each run by a torchrun of its own, or "
            "the sweep without torchrun"
        )
