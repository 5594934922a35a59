"""Words of other tools get the key that means the same in the options that were chosen."""

import pytest

from runner.configuration import counterparts, hints
from tests.compose import refused

LATER = {"tracker"}  # keys that may not be there, for which there are words
CASES = [
    ("lr=0.1", "did you mean 'method.learning_rate'?"),
    ("method.lr=0.1", "did you mean 'method.learning_rate'?"),
    ("optimizer.lr=0.1", "unknown key 'optimizer.lr'; did you mean 'method.learning_rate'?"),
    ("epochs=3", "unknown key 'epochs'; did you mean 'method.retrain_steps'?"),
    ("trainer.max_epochs=3", "unknown key 'trainer.max_epochs'; did you mean 'method.retrain_steps'?"),
    ("method=ke epochs=3", "did you mean 'method.epochs'?"),
    ("method=hard_sharing epochs=3", "did you mean 'method.steps'?"),
    ("method=tsslbp max_steps=3", "did you mean 'method.epochs'?"),
    ("method=hard_sharing optimizer=adam", "did you mean 'method.optimizer'?"),
    ("optimizer=adam", "did you mean 'method.search_optimizer'?"),
    ("method=ke optimizer=adam", "unknown key 'optimizer'; this method's optimizer is fixed, as in its paper"),
    ("method=ke scheduler=cosine", "did you mean 'method.warmup_epochs'?"),
    ("batch_size=8", "did you mean 'method.batch_size'?"),
    ("data.batch_size=8", "did you mean 'method.batch_size'?"),
    ("bs=8", "did you mean 'method.batch_size'?"),
    ("wd=0", "did you mean 'method.weight_decay'?"),
    ("gpus=1", "did you mean 'device'?"),
    ("num_workers=4", "did you mean 'threads'?"),
    ("fp16=true", "did you mean 'precision'?"),
    ("method=ke dataset=cub200 data_dir=x", "did you mean 'dataset.root'?"),
    ("data_dir=x", "this dataset is made by the runner; one that is read takes dataset=NAME dataset.root=PATH"),
    ("arch=resnet18", "did you mean 'model'?"),
    ("tasks=[depth]", "did you mean 'dataset.tasks'?"),
    ("img_size=32", "did you mean 'dataset.size'?"),
    ("dataset=nyu img_size=32", "did you mean 'dataset.resolution'?"),
    ("fast_dev_run=true", "did you mean 'scale'?"),
    ("dropout=0.1", "did you mean 'model.dropout'?"),
    ("resume=true", "a run resumes by itself: type its command again and it goes on from its last checkpoint"),
    ("ckpt_path=last.pt", "a run resumes by itself"),
    ("trainer.resume_from_checkpoint=x", "a run resumes by itself"),
    ("output_dir=x", "hydra.run.dir=PATH is a run's folder, hydra.sweep.dir=PATH that of a sweep's runs"),
    ("logger=wandb", "did you mean 'tracker'?"),
    ("plots=false", "did you mean 'figures'?"),
    ("local_rank=0", "torchrun --nproc-per-node N -m runner ... is one run on N devices"),
    ("sync_bn=true", "did you mean 'batch_norm'?"),
    ("quux=1", "unknown key 'quux'; see --help"),
]


@pytest.mark.parametrize(("typed", "message"), CASES)
def test_common_words(typed, message):
    assert message in refused(*typed.split())


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("device=gpu", "cuda"), ("device=cuda:0", "cuda"), ("precision=16", "bfloat16"), ("precision=fp32", "float32")],
)
def test_common_values(typed, meant):
    assert refused(typed).endswith(f"; did you mean '{meant}'?")


def test_a_share_in_percent_is_written_as_one():
    assert refused("scale=1%").endswith("; 1% is written 0.01")


def test_suggestions_are_keys_of_what_was_chosen_before_any_other():
    assert refused("method.step=3") == "unknown key 'method.step'; did you mean 'method.retrain_steps'?"
    assert refused("method=hard_sharing", "method.step=3") == "unknown key 'method.step'; did you mean 'method.steps'?"
    assert refused("learning_rate=1") == (
        "unknown key 'learning_rate'; did you mean 'method.learning_rate' or 'method.policy.learning_rate'?"
    )
    assert (
        refused("method=ke", "learning_rate=1") == "unknown key 'learning_rate'; did you mean 'method.learning_rate'?"
    )
    assert refused("dataset.contrst=1") == (
        "unknown key 'dataset.contrst'; did you mean 'dataset.contrast', which belongs to dataset=saccades?"
    )


def test_a_key_of_another_method_comes_with_the_chosen_ones():
    assert refused("method.epochs=3").endswith("method=tsslbp; method.retrain_steps may be meant")
    assert refused("method=ke", "method.steps=3") == (
        "method.steps is not a key here; it belongs to method=hard_sharing, method=single_task; method.epochs may be meant"
    )


def test_every_counterpart_exists_and_every_word_has_one_meaning_and_an_answer():
    known = {*hints.keys(), *LATER}
    words = [word for each in counterparts.COUNTERPARTS for word in each.words.split()]
    assert len(words) == len(set(words)) > 250
    for each in counterparts.COUNTERPARTS:
        assert set(each.keys.split()) <= known, each
        assert each.keys or each.otherwise
