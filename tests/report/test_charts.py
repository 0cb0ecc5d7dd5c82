"""Figures draw what the tables say, the same bytes each time, in colours that hold on white and on black."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from bitcell_sim.errors import InputError
from bitcell_sim.report import charts
from bitcell_sim.report.results import Run
from bitcell_sim.report.scorecard import Scorecard
from bitcell_sim.runs.run import RunData

Runs = Callable[..., RunData]
Pings = dict[tuple[str, str], list[float]]
FIGURES = ["timeline", "finality_cdf", "proof_times", "recovery_stages"]
WHITE, NEAR_BLACK = "#ffffff", "#0d1117"


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    high, low = sorted([luminance(a), luminance(b)], reverse=True)
    return (high + 0.05) / (low + 0.05)


def texts(figure: charts.LabFigure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def test_contrast_knows_black_and_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


@pytest.mark.parametrize("colour", [charts.INK, *charts.PALETTE])
@pytest.mark.parametrize("paper", [WHITE, NEAR_BLACK])
def test_colours_hold_on_white_and_on_black(colour: str, paper: str) -> None:
    assert contrast(colour, paper) >= 3.0


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("scenario", ["rc3", "node-crash"])
def test_figures_have_a_clear_background_and_ink(run_of: Runs, name: str, scenario: str) -> None:
    figure = getattr(Run(run_of(scenario)).plot, name)()
    image = matplotlib.image.imread(io.BytesIO(figure._repr_png_()))
    assert image.shape[2] == 4
    assert image[0, 0, 3] == 0.0, "a corner is transparent"
    assert (image[..., 3] > 0.5).mean() > 0.005, "something is drawn"
    for axes in figure.axes:
        assert axes.get_xlabel() or axes is not figure.axes[-1]


def test_figures_are_the_same_bytes_each_time(run_of: Runs) -> None:
    run = Run(run_of("node-crash"))
    assert run.plot.timeline()._repr_png_() == run.plot.timeline()._repr_png_()


def test_the_timeline_names_its_faults_and_shows_its_windows(run_of: Runs) -> None:
    run = run_of("region-loss-ap-southeast")
    figure = charts.timeline(run)
    assert "region-loss: ap-southeast" in texts(figure)
    top = figure.axes[0]
    bars = next(iter(top.containers))
    drawn = sum(bar.get_height() * 10 for bar in bars)
    assert drawn == pytest.approx((run.tables["transactions"]["state"] == "final").sum())


def test_the_finality_figure_marks_its_limit(run_of: Runs) -> None:
    run = run_of("rc3")
    figure = charts.finality_cdf(run)
    limit = next(t.limit for t in run.scenario.targets.target if t.id == "finality")
    assert f"limit {limit:g} s" in texts(figure)
    assert any(line.get_xdata()[0] == limit for line in figure.axes[0].lines)


def test_the_proof_figure_counts_every_proof(run_of: Runs) -> None:
    run = run_of("rc3")
    axes = charts.proof_times(run).axes[0]
    assert sum(patch.get_height() for patch in axes.patches if hasattr(patch, "get_height")) == len(
        run.tables["proofs"]
    )
    assert f"killed for want of memory: {len(run.tables['proofs'])}" in texts(axes.figure)


def test_the_latency_figure_marks_who_misses(run_of: Runs, pings: Pings) -> None:
    figure = Run(run_of("rc3")).plot.latency_cdf(pings)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len(titles) == 6
    assert titles[0] == "✗ us-east – us-west: p95 80 ms, limit 80 ms"
    assert titles[1].startswith("✓ us-east – eu-central: p95 106 ms, limit 120 ms")


def test_latency_without_samples_says_what_to_give(run_of: Runs) -> None:
    with pytest.raises(InputError, match="probes"):
        Run(run_of("rc3")).plot.latency_cdf()


def test_the_scorecard_figure_has_a_mark_per_measured_row(card: dict[str, Any]) -> None:
    figure = Scorecard(card).plot()
    axes = figure.axes[0]
    marks = {float(y): float(x) for c in axes.collections if isinstance(c, PathCollection) for x, y in c.get_offsets()}
    expected = {place: Scorecard(card).rows[place]["measured"] is not None for place in range(len(card["rows"]))}
    assert sorted(marks) == [place for place, measured in expected.items() if measured]
    for place, x in marks.items():
        verdict = card["rows"][int(place)]["verdict"]
        assert (x < 1) == (verdict == "pass") or verdict == "unknown"
    assert "not measured" in texts(figure)
    assert [label.get_text() for label in axes.get_yticklabels()] == [row["title"] for row in card["rows"]]


def test_empty_runs_say_so(run_of: Runs) -> None:
    run = run_of("rc3")
    empty = {name: frame.iloc[:0] for name, frame in run.tables.items()}
    nothing = RunData(run.scenario, 1, empty, "", {}, 60.0)
    assert "no proof was asked for" in texts(charts.proof_times(nothing))
    assert "no node crashed" in texts(charts.recovery_stages(nothing))
    assert "no transaction was accepted" in texts(charts.finality_cdf(nothing))
    assert "no round trips" in texts(charts.latency_cdf({}, [("a", "b")], {}))
    assert charts.scorecard_figure([])._repr_png_()
    assert charts.timeline(nothing)._repr_png_()


def test_a_node_that_never_came_back_is_said(run_of: Runs) -> None:
    run = run_of("rc3")
    lost = pd.DataFrame({"node": ["us-east-1"], "stage": ["crash"], "at_ms": [5e3], "height": [1]})
    gone = RunData(run.scenario, 1, {**run.tables, "recoveries": lost}, "", {}, 60.0)
    assert "never came back" in texts(charts.recovery_stages(gone))


def test_a_run_shows_itself(run_of: Runs, card: dict[str, Any]) -> None:
    run = Run(run_of("node-crash"), scorecard=card)
    html = run._repr_html_()
    assert "process-crash: us-east-1" in html
    assert run.trace_digest in html
    assert "3 fail, 2 unknown, 3 pass" in html
    assert run["blocks"] is run.tables["blocks"]
    assert (run.seed, run.simulated_s, run.path, run.violations) == (1, 1200.0, None, ())
    assert run.counts["blocks"] == len(run["blocks"])
    assert "node-crash" in repr(run)
