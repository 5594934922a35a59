"""`--cfg job` shows what would run, checked: values alone, and which options they are of."""

import pytest
import yaml

from runner.configuration.showing import text
from runner.errors import ConfigurationError
from tests.compose import composed


def test_the_values_and_the_options():
    shown = text(composed("method=tsslbp", "method.epochs=3"), None)
    assert shown.startswith("# method=tsslbp dataset=rooms model=snn_mnist model.gradient=tssl\n")
    values = yaml.safe_load(shown)
    assert values["method"]["epochs"] == 3
    assert values["dataset"]["tasks"] == ["scene"]  # filled in
    assert values["model"]["gradient"] == {"name": "tssl"}
    assert not [key for node in (values, *values.values()) if isinstance(node, dict) for key in node if key[0] == "_"]


def test_a_part():
    settings = composed()
    assert yaml.safe_load(text(settings, "method.policy"))["sampling"] == "soft"
    assert yaml.safe_load(text(settings, "seed")) == 0
    with pytest.raises(
        ConfigurationError, match=r"--package nowhere: there is no such part; give method, dataset, model"
    ):
        text(settings, "nowhere")
