"""The subjects of a report, each found by what a run's summary holds: what it prints and what it draws.

A new subject is a file here and a line in `SECTIONS`. What draws is imported where it is used, so that a finished run is shown
again without torch and matplotlib.
"""

from runner.report.sections.baseline import BASELINE, RELATIVE_PERFORMANCE
from runner.report.sections.channels import CHANNELS
from runner.report.sections.cost import BUDGET, COSTS
from runner.report.sections.highest import HIGHEST
from runner.report.sections.magnitudes import MAGNITUDES
from runner.report.sections.policy import POLICY
from runner.report.sections.section import Section
from runner.report.sections.series import SERIES
from runner.report.sections.spikes import SPIKES
from runner.report.sections.tickets import TICKETS
from runner.report.sections.weights import WEIGHTS

SECTIONS: tuple[Section, ...] = (
    WEIGHTS,
    SERIES,
    TICKETS,
    POLICY,
    CHANNELS,
    MAGNITUDES,
    HIGHEST,
    COSTS,
    SPIKES,
    BASELINE,
    RELATIVE_PERFORMANCE,
    BUDGET,
)
