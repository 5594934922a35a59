"""What was renamed, so that an old spelling is refused with the new one."""

from typing import Any

KEYS = {  # as one types them; also the beginning of longer ones
    "reference": "published",
    "reference_run": "baseline_run",
    "method.warmup": "method.warmup_steps",
    "method.cycles": "method.num_cycles",
    "method.retrain": "method.retrain_steps",
    "method.draws": "method.num_draws",
    "method.weights": "method.loss_weights",
    "method.initial_policy": "method.policy.initial",
    "method.skip_logit": "method.policy.skip_logit",
    "method.sampling": "method.policy.sampling",
    "method.temperature": "method.policy.temperature",
    "method.temperature_decay": "method.policy.temperature_decay",
    "method.sparsity": "method.policy.sparsity",
    "method.sparsity_weight": "method.policy.sparsity_weight",
    "method.sharing": "method.policy.sharing",
    "method.sharing_weight": "method.policy.sharing_weight",
    "method.policy_learning_rate": "method.policy.learning_rate",
    "method.policy_weight_decay": "method.policy.weight_decay",
    "model.errors": "model.gradient_dtype",
    "model.tau_m.head": "model.tau_m.released",
    "model.tau_m.paper": "model.tau_m.published",
    "model.tau_s.head": "model.tau_s.released",
    "model.tau_s.paper": "model.tau_s.published",
}
WORDS = {
    ("model.version", "head"): "released",
    ("model.version", "paper"): "published",
    ("model.init", "head"): "released",
    ("model.init", "paper"): "published",
}
RECIPES = {
    **{
        f"adashare/nyu_{table}{old}": f"adashare/nyu_{table}/{new}"
        for table in ("2task", "3task", "small")
        for old, new in (("", "adashare"), ("_hard_sharing", "hard_sharing"), ("_single_task", "single_task"))
    },
    **{
        f"ke/{folder}_{name}": f"ke/{folder}/{name}"
        for folder, names in {
            "cub100_small": ("cross_entropy", "label_smoothing", "long", "slim_scratch"),
            "cub200": ("densenet169_wels70", "resnet18_kels80", "vgg11_bn_fit_and_dense"),
            "flowers102": (
                "densenet169_wels70",
                "resnet18_kels50",
                "resnet18_kels80",
                "resnet18_long",
                "vgg11_bn_zero_mapping",
            ),
            "aircraft": ("resnet18_kels50",),
        }.items()
        for name in names
    },
    "ke/cub100_small": "ke/cub100_small/ke",
    **{
        f"tsslbp/{name}_{old}": f"tsslbp/{name}"
        for name in ("mnist", "fashion_cnn", "fashion_mlp")
        for old in ("paper", "published")
    },
}


def key(old: str) -> str | None:
    """The name that a key has now, `method.weights.depth` -> `method.loss_weights.depth`, or nothing if it never had another."""
    for name, new in KEYS.items():
        if old == name or old.startswith(f"{name}."):
            return new + old.removeprefix(name)
    return None


def word(key: str, value: Any) -> str | None:
    """The word that stands now for a key's old one, or nothing."""
    return WORDS.get((key, value)) if isinstance(value, str) else None
