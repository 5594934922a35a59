"""Which methods, data sets and models go together and which tasks they leave, by what their files offer and need."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from runner.configuration import files
from runner.configuration.hints import nearest_word
from runner.configuration.rules import show
from runner.errors import ConfigurationError

Root = dict[str, Any]  # a composed configuration with its "choices"
_SAID = {
    "own_images": "images of each task's own",
    "own_texts": "texts of each task's own",
}  # words of files in messages


def require_fitting(root: Root) -> None:
    """Raise `ConfigurationError` where the method or the data ask for something that the model or the data do not offer.

    `_requires_` of a method, or of a choice inside it, is a list of words that the model has to provide ("not spiking": that it
    must not), or a mapping: `model` to such words, `dataset` to the kinds of tasks that it has to offer, and a key of the
    method to what the model has to provide where that key is not null.
    """
    choices, offers = root["choices"], _kinds(root["dataset"])
    needs = [needed for node in _nodes(root["method"]) for needed in _needs(node)]
    always = {word for key, words in needs if key == "model" for word in words}
    _require_model(root, f"method={choices['method']}", always, always)
    missing = sorted({kind for key, words in needs if key == "dataset" for kind in words} - offers)
    if missing:
        tasks = " and ".join(f"a {kind} task" for kind in missing)
        fitting = _datasets({kind for key, words in needs if key == "dataset" for kind in words}, _provided(root))
        raise ConfigurationError(f"method={choices['method']} needs a dataset with {tasks}; choose dataset={fitting}")
    _require_model(root, f"dataset={choices['dataset']}", {root["dataset"]["_input_"]}, always)
    for key, words in needs:
        if key not in ("model", "dataset") and root["method"].get(key) is not None:
            _require_model(root, f"method.{key}={show(root['method'][key])}", set(words), always)


def _nodes(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """An option and the choices inside it."""
    return [node, *(value for value in node.values() if isinstance(value, dict) and "_target_" in value)]


def _needs(node: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    required = node.get("_requires_", [])
    return [("model", required)] if isinstance(required, list) else list(required.items())


def _provided(root: Root) -> set[str]:
    return {word for node in _nodes(root["model"]) for word in node.get("_provides_", [])}


def _kinds(dataset: Mapping[str, Any]) -> set[str]:
    """The kinds of tasks that a data set offers."""
    return set(dataset["_offers_"].values())


def _require_model(root: Root, asking: str, words: Iterable[str], always: set[str]) -> None:
    missing = [word for word in sorted(words) if not _has(_provided(root), word)]
    if missing:
        lacking = [_SAID.get(word, word) for word in missing if not word.startswith("not ")]
        own = f"model={root['choices']['model']}"
        wanted = (
            f"with {' and '.join(lacking)}, which {own} has not" if lacking else f"that is {missing[0]}, as {own} is"
        )
        if not _models({*words, *always, root["dataset"]["_input_"]}) and asking.startswith("dataset="):
            raise ConfigurationError(_nothing_to_predict(root))
        fitting = models({*words, *always, root["dataset"]["_input_"]})
        raise ConfigurationError(f"{asking} needs a model {wanted}; choose model={fitting}")


def _has(provided: set[str], word: str) -> bool:
    """Whether a model that provides these words meets `word`, or "not ..." of one that it must not provide."""
    unwanted = word.removeprefix("not ")
    return word in provided if unwanted == word else unwanted not in provided


def models(words: Iterable[str]) -> str:
    """The models that provide these words, as one would type them."""
    return "|".join(_models(set(words))) or "(none yet)"


def _models(words: Collection[str]) -> list[str]:
    provided = {name: _provided({"model": content}) for name, content in files.options("model").items()}
    return [name for name, offered in provided.items() if all(_has(offered, word) for word in words)]


def _datasets(needed: set[str], provided: set[str]) -> str:
    fitting = {name: content for name, content in files.options("dataset").items() if needed <= _kinds(content)}
    seen = [name for name, content in fitting.items() if content["_input_"] in provided]
    return "|".join(seen or fitting) or "(none yet)"


def choose_tasks(root: Root) -> None:
    """Fill in `dataset.tasks` where it is null and refuse tasks that there cannot be.

    Null are all tasks that the model can predict, or those among the dataset's `_default_tasks_` where it names some.
    """
    dataset, choices = root["dataset"], root["choices"]
    offers: dict[str, str] = dataset["_offers_"]
    possible = [task for task, kind in offers.items() if kind in _provided(root)]
    default = [task for task in possible if task in dataset.get("_default_tasks_", possible)]
    tasks = default if dataset["tasks"] is None else dataset["tasks"]
    for task in tasks:
        if task not in offers:
            raise ConfigurationError(
                f"dataset.tasks={show(tasks)}: dataset={choices['dataset']} has no task '{task}'; it offers {', '.join(offers)}"
                + nearest_word(task, " | ".join(offers))
            )
        if task not in possible:
            needed = {word for key, words in _needs(root["method"]) if key == "model" for word in words}
            raise ConfigurationError(
                f"dataset.tasks={show(tasks)}: model={choices['model']} cannot predict '{task}', which is {offers[task]}; "
                f"choose model={models({offers[task], *needed})} or other tasks"
            )
    if not possible:
        raise ConfigurationError(_nothing_to_predict(root))
    if not tasks or len(set(tasks)) < len(tasks):
        raise ConfigurationError(
            f"dataset.tasks={show(tasks)}: name at least one task and none twice; dataset={choices['dataset']} offers "
            f"{', '.join(offers)} ({', '.join(sorted(_kinds(dataset)))}) and model={choices['model']} can predict "
            f"{', '.join(possible)}"
        )
    dataset["tasks"] = list(tasks)


def _nothing_to_predict(root: Root) -> str:
    """The message where the model can predict no task of the data, with models, or else methods, that can learn one."""
    choices, offers = root["choices"], root["dataset"]["_offers_"]
    fitting = _learners(root["method"], root["dataset"])
    methods = [name for name, content in files.options("method").items() if _learners(content, root["dataset"])]
    remedy = f"model={'|'.join(fitting)}" if fitting else f"method={'|'.join(methods) or '(none yet)'}"
    asked = ", ".join(f"{task} ({kind})" for task, kind in offers.items())
    by = f"model={choices['model']}" if fitting else f"method={choices['method']}"
    return f"{by} cannot learn any task of dataset={choices['dataset']}, which has {asked}; choose {remedy}"


def _learners(method: Mapping[str, Any], dataset: Mapping[str, Any]) -> list[str]:
    """The models that fit a method and can predict a task of a data set."""
    needs = _needs(method)
    if not {kind for key, words in needs if key == "dataset" for kind in words} <= _kinds(dataset):
        return []
    words = {word for key, asked in needs if key == "model" for word in asked} | {dataset["_input_"]}
    found = {name for kind in _kinds(dataset) for name in _models({*words, kind})}
    return [name for name in files.options("model") if name in found]
