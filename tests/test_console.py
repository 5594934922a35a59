import io
import logging
import sys

from runner.console import ConsoleHandler


def test_a_line_goes_to_what_stderr_is_when_it_is_said(monkeypatch):
    """A live view takes the place of stderr after the log was set up."""
    handler, view = ConsoleHandler(), io.StringIO()
    handler.setFormatter(logging.Formatter("%(message)s"))
    monkeypatch.setattr(sys, "stderr", view)
    handler.handle(logging.LogRecord("runner", logging.INFO, "", 0, "compiling %s (once)", ("spikes.cpp",), None))
    assert view.getvalue() == "compiling spikes.cpp (once)\n"
