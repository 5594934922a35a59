"""Capitals and dashes do not keep a word from being known."""

from runner.configuration.spelling import did_you_mean, nearest, plain
from tests.compose import refused


def test_plain_words():
    assert plain("learningRate") == plain("learning-rate") == plain("Learning_Rate") == "learning_rate"
    assert plain("ResNet18") == "res_net18"


def test_the_nearest():
    known = ["resnet18", "resnet34", "ke"]
    assert nearest("ResNet-18", known) == ["resnet18"]
    assert nearest("KE", known) == ["ke"]
    assert nearest("vgg", known) == []
    assert did_you_mean([]) == ""
    assert did_you_mean(["a", "b"]) == "; did you mean 'a' or 'b'?"


def test_in_messages():
    assert refused("method=KE").endswith("; did you mean 'ke'?")
    assert refused("method=evolution").endswith("; did you mean 'ke' or 'label_smoothing'?")
    assert refused("dataset=birds").endswith("; did you mean 'cub200'?")
    assert refused("model=ResNet-18").endswith("; did you mean 'resnet18'?")
    assert refused("METHOD=ke") == "unknown key 'METHOD'; did you mean 'method'?"
    assert refused("method.learningRate=1") == "unknown key 'method.learningRate'; did you mean 'method.learning_rate'?"
    assert refused("method=ke", "method.warmup-epochs=1").endswith("did you mean 'method.warmup_epochs'?")
    assert refused("selection=Test") == (
        "selection=Test is not allowed; use null or validation or test or last; did you mean 'test'?"
    )
    assert refused("experiment=TSSLBP/mnist").endswith("did you mean 'tsslbp/mnist'?")
