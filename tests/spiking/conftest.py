"""Every form of the compiled operations, where this processor has units for it."""

import pytest

from runner.spiking import native
from runner.spiking.native.forms import FLAGS, VARIABLE, supported

FOUR_LANES = "four_lanes"  # as wide as NEON's vectors, made for this x86 processor


def use(form, monkeypatch):
    """Compute in `form` from here on; a test where this processor cannot is skipped."""
    monkeypatch.delenv(VARIABLE, raising=False)
    if form == FOUR_LANES:
        form = "avx2"
        monkeypatch.setitem(FLAGS, form, ("-march=native", "-mno-avx2"))
        native._library.cache_clear()
    if form not in supported():
        pytest.skip(f"this processor has no units for {form}")
    monkeypatch.setenv(VARIABLE, form)
    if form != "torch" and native.library("tsslbp") is None:
        pytest.skip("no C++ compiler")


@pytest.fixture(params=["avx512", "avx2", "neon", FOUR_LANES])
def form(request, monkeypatch):
    """A form in which spiking layers are computed as long as the test runs; tests that use it run once in each."""
    use(request.param, monkeypatch)
    yield request.param
    if request.param == FOUR_LANES:
        native._library.cache_clear()
