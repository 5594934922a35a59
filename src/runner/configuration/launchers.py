"""Hydra's launchers and sweepers that have to be installed: which extra of the runner brings each."""

from collections.abc import Sequence

from runner.configuration.spelling import did_you_mean, nearest

EXTRAS = {
    "hydra/launcher": {"joblib": "parallel", "submitit_local": "submitit", "submitit_slurm": "submitit"},
    "hydra/sweeper": {"optuna": "optuna"},
}


def missing(group: str, name: str, installed: Sequence[str]) -> str:
    """What to say of an option of Hydra's that is not there: the extra that brings it, or what there is."""
    extras = EXTRAS.get(group, {})
    if name in extras:
        return f'{group}={name} is not installed; pip install "runner[{extras[name]}]"'
    known = [*installed, *(option for option in extras if option not in installed)]
    hint = did_you_mean(nearest(name, known, cutoff=0.5))
    return f"{group}={name} does not exist; choose {group}={'|'.join(known)}{hint}"


def unknown_key(key: str) -> str:
    """What to say of a key of Hydra's that the chosen launcher, sweeper, ... has not."""
    group = "/".join(key.split(".")[:2])
    if group in EXTRAS:
        options = "|".join(EXTRAS[group])
        return f"{key} is not a key of this {group.partition('/')[2]}; choose the one that has it, {group}={options}"
    return f"unknown key '{key}'; --cfg hydra shows the keys of Hydra"
