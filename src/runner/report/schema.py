"""What summary.json of a finished run holds, key by key; a test holds a run's file against these types.

A metric is keyed `<split>/<predictor>/<task>/<metric>`, where it is clear of which split and predictor `<task>/<metric>`; one
that is undefined, a mean over nothing valid, is null. What a method's `summary()` gives beside these keys is kept as it is.
Summaries of older versions lack some of the keys: who shows one uses what is there.
"""

from typing import Any, Literal, NotRequired, TypedDict

Number = float | None
Metrics = dict[str, Number]


class Chosen(TypedDict):
    """The evaluation that is a predictor's result."""

    stage: str
    step: int  # of the stage
    score: float  # mean relative gain over the predictor's first evaluation


class Highest(TypedDict):
    """The best value of a metric that the main predictor ever had on the test split: selected on the test split."""

    value: float
    stage: str
    step: int
    measurements: int  # out of how many
    batches: int | None  # of the split that were measured; null is all


class Network(TypedDict):
    """What the networks of a run predict, from what."""

    tasks: dict[str, int]  # channels
    kinds: dict[str, str]  # task -> "label" (one prediction an image), "dense" (one a pixel)
    input_shape: list[int]  # of one sample
    axis: int  # of a batch of inputs along which the samples lie
    preparation: (
        dict[str, Any] | None
    )  # of a picture for evaluation, `runner.preparation`; null where inputs are no pictures
    definitions: dict[str, dict[str, Any] | None]  # task -> its class and settings, `runner.tasks.record`
    class_names: dict[str, list[str]]
    metrics: dict[
        str, dict[str, bool]
    ]  # task -> metrics that count, the one that stands for all first -> higher is better


class Weights(TypedDict):
    """The weights of elsewhere that the networks started from; counters of batch norms are left out."""

    file: str  # as it was named
    sha256: str
    loaded: int  # tensors of the networks that it gave
    fresh: list[str]  # those that it did not: drawn from the seed
    unused: list[str]  # tensors of the file that have no place in the networks


class Budget(TypedDict):
    """Training samples, each as often as an optimizer step used it; see `runner.stages.budget`."""

    samples: int  # that the compared weights were trained on
    before: dict[str, int]  # kind of stage -> what was spent before those weights began
    batch_size: int


class Best(TypedDict):
    """The best evaluation of a point of a series, by the run's selection, of all predictors at that moment."""

    step: int
    score: float
    batches: int | None
    metrics: Metrics


class Point(TypedDict):
    """A stage that is a point of the method's series."""

    stage: str
    metrics: Metrics  # at its end
    best: Best


class Level(TypedDict):
    """A finished run beside this one, of equal budget: its main predictor on the test split."""

    run: str  # its folder's name
    metrics: Metrics  # `<task>/<metric>`


class Series(TypedDict):
    """The method's generations, levels, draws, ..."""

    label: str  # of one point
    alternatives: bool  # the same experiment again, not a course
    points: list[Point]
    mean: NotRequired[Metrics]  # of the test metrics at the ends of alternatives
    deviation: NotRequired[Metrics]  # their sample standard deviation, 0 of a single one
    levels: dict[str, Level]  # by what tells the runs apart
    left_out: dict[str, str]  # comparable runs but for their budget -> what differs


class Baseline(TypedDict):
    """What relative performance compares with."""

    method: str | None  # the option that the method names; null where a run was given that it does not name
    run: str | None  # its folder's name; null where none was found
    differs: str  # in what a given run is not like this one beside its method; empty where it is
    others: list[str]  # folders of further runs that would have done
    left_out: dict[str, str]  # runs of that option that are not compared -> what differs: their budget, a few settings


class Delta(TypedDict):
    """Gains over the baseline in percent."""

    tasks: dict[str, float]
    mean: float


class Relative(TypedDict):
    """AdaShare's relative performance of every predictor that could be compared."""

    run: str
    predictors: dict[str, Delta]
    undefined: NotRequired[str]  # why there is none, as after a smoke run


class Tickets(TypedDict):
    """Networks without some of their weights, at every point of the series."""

    remaining: list[float]  # share of the weights


class Relatedness(TypedDict):
    """How alike the tasks' probabilities of executing are, tasks x tasks; see `runner.policies.relatedness`."""

    cosine: list[list[Number]]
    correlation: list[list[Number]]


class Policy(TypedDict):
    """Which tasks execute which blocks, where a method learns or draws that."""

    tasks: list[str]
    execute_probability: list[list[float]]  # tasks x blocks
    relatedness: NotRequired[Relatedness]  # which older runs lack
    draws: list[list[list[int]]]  # draws x tasks x blocks; none where a draw is no decision for each block
    blocks: list[dict[str, int]]  # what each block costs, fields of `runner.policies.block_cost.BlockCost`


class ChannelCost(TypedDict):
    """Of one task's own pass from the input to its head."""

    macs: int
    parameters: int


class Channels(TypedDict):
    """Which share of each block's channels every task has, where a method learns that."""

    tasks: list[str]
    levels: list[float]  # the shares that there are
    course: list[list[list[list[float]]]]  # cycles + 1 x tasks x blocks x levels: probabilities before each and at last
    chosen: list[list[float]]  # tasks x blocks: the shares that were trained
    costs: list[ChannelCost]  # of each task
    parameters_together: int  # of channels that a task has, without heads
    whole: ChannelCost  # of a task that has all channels


class Magnitudes(TypedDict):
    """Mean |w| of parts of every layer's weights, at every point of the method's series."""

    layers: list[str]
    parts: list[str]  # titles
    values: list[list[list[Number]]]  # points x layers x parts


class Energy(TypedDict):
    """Operations and energy of one sample; see `runner.report.spikes.energy`."""

    synaptic_operations: float
    first_layer_macs: int
    macs_without_spikes: int
    nanojoules: float
    nanojoules_without_spikes: float
    formula: str


class Spikes(TypedDict):
    """What a spiking network does on test samples."""

    predictor: str
    samples: int
    rates: dict[str, float]  # layer -> spikes per step and neuron
    firing_percent: float  # of all neurons and steps
    neurons_with_0_to_T_spikes_in_a_sample_percent: dict[str, list[float]]
    silent_active_saturated_percent: dict[str, list[float]]
    fallback_percent: dict[
        str, float
    ]  # layer whose gradient rule gives way to the surrogate -> neurons and steps where it does
    accuracy_after_steps: list[float]
    energy: Energy


class Summary(TypedDict):
    """The file."""

    status: Literal["finished"]
    digest: str
    name: str  # of the folder
    choices: dict[str, str]  # group -> option
    seed: int
    selection: str  # in words
    selection_split: str | None
    predictor: str  # the main one: it scores and is shown
    score: float
    metrics: Metrics  # of every predictor's chosen evaluation
    chosen: dict[str, Chosen]
    highest: dict[str, Highest]  # `<task>/<metric>`, first metrics; within the last point of a series that is a course
    published: dict[str, float] | None  # figures of a recipe
    data: dict[str, Any]  # sizes of the splits, and what a reader has to know of the data
    network: Network
    weights: NotRequired[Weights]
    budget: Budget
    costs: dict[str, dict[str, float]]  # predictor that is a network of its own -> see `runner.models.cost.costs`
    parameters: int  # of the main predictor's network; those that the last stage trains where it is none of its own
    series: NotRequired[Series]
    policy: NotRequired[Policy]
    channels: NotRequired[Channels]
    magnitudes: NotRequired[Magnitudes]
    tickets: NotRequired[Tickets]
    spikes: NotRequired[Spikes]
    baseline: Baseline | None
    relative_performance: Relative | None
    seconds: float  # of training
    seconds_in_all: float  # with reading the data, measuring and drawing, of the start that came to the end
    peak_memory_bytes: int
    device: str
    threads: int  # of each process
    processes: int  # that made the run together
    batch_per_process: int  # samples of a training batch that each of them had
    versions: dict[str, str]
    plugins: dict[str, str | None]  # packages whose classes may be used -> version
    warnings: list[str]  # what the run's log warns of, each once
    figures: list[str]
    evaluations: list[dict[str, Any]]  # as in metrics.jsonl
