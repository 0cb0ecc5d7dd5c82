"""The search's predictions are those of slow, obvious counting, and its best design is the tuned deployment."""

from __future__ import annotations

import itertools

import pytest

from bitcell_sim.config.loader import config_hash, load_scenario
from bitcell_sim.studies.lab import verify
from bitcell_sim.studies.placement import (
    SOURCES,
    WORST,
    candidates,
    limits,
    link_p95_ms,
    nearest,
    placements,
)
from bitcell_sim.studies.search import NOTHING, Change, Search, Tuned, front, search

RC3 = load_scenario("rc3")
OUT_OF_REACH = {"latency.us-east.ap-southeast", "latency.us-west.ap-southeast", WORST}


@pytest.fixture(scope="module")
def found() -> Search:
    return search()


def test_every_placement_is_judged_once() -> None:
    count = 0
    for name in SOURCES:
        source = load_scenario("rc3", latency=name).latency
        product = 1
        for places in candidates(RC3.deployment, source):
            assert len(set(places)) == len(places) > 0
            product *= len(places)
        count += product
    placed = placements(RC3)
    assert len(placed) == count == len({(p.source, p.places) for p in placed})


def test_no_pair_of_any_matrix_meets_what_is_out_of_reach() -> None:
    rows = {row.target: row for row in nearest(RC3, placements(RC3))}
    assert {name for name, row in rows.items() if not row.met} == OUT_OF_REACH
    regions = [region.name for region in RC3.deployment.region]
    best: dict[str, float] = {}
    for name in SOURCES:
        source = load_scenario("rc3", latency=name).latency
        p95, places = link_p95_ms(source), candidates(RC3.deployment, source)
        for (i, one), (j, other) in itertools.combinations(enumerate(regions), 2):
            key = f"latency.{one}.{other}"
            best[key] = min([best.get(key, 1e9), *(p95[a, b] for a in places[i] for b in places[j])])
    for key, value in best.items():
        assert rows[key].p95_ms == value
        assert rows[key].met == (value < limits(RC3)[key])
        assert rows[key].p95_ms > rows[key].floor_ms >= rows[key].least_floor_ms
    assert (
        "none of 1106 placements is below 200 ms; nearest aws us-east-2, us-west-2, eu-central-1, ap-southeast-1"
        in rows[WORST].sentence
    )


def test_predicted_round_trips_are_the_simulated_ones() -> None:
    card = verify("rc3", quick=True, only="latency.*", workers=1)
    own = next(place for place in placements(RC3) if place.source == "aws-2025-wide" and place.moved == 0)
    for row in card.rows:
        assert row["measured"] == pytest.approx(own.p95_ms[row["id"]], rel=0.012)
        assert (row["verdict"] == "pass") == (row["id"] in own.met)


def test_the_front_has_no_design_that_another_beats() -> None:
    few, large = Change("few", (), 1, 5.0), Change("many", (), 3, 1.0)
    met, more = frozenset("a"), frozenset("ab")
    designs = [Tuned(NOTHING, frozenset()), Tuned(few, more), Tuned(large, more), Tuned(large, met), Tuned(few, met)]
    assert [tuned.change.words for tuned in front(designs)] == ["few", "many", ""]


def test_the_best_design_is_the_tuned_deployment(found: Search) -> None:
    best = found.best
    assert {row.target for row in found.out_of_reach} == OUT_OF_REACH
    again, tuned = load_scenario("rc3", sets=best.change.sets), load_scenario("rc3-tuned")
    same = again.model_copy(
        update={
            "name": tuned.name,
            "title": tuned.title,
            "deployment": again.deployment.model_copy(
                update={"name": "rc3-tuned", "title": tuned.deployment.title, "protocol": "rc3-tuned"}
            ),
            "protocol": again.protocol.model_copy(update={"name": "rc3-tuned", "title": tuned.protocol.title}),
        }
    )
    assert config_hash(same) == config_hash(tuned)
    wanted = {target.id for target in tuned.targets.target if target.id.startswith("latency.")} - OUT_OF_REACH
    assert wanted < best.met


def test_no_design_meets_as_much_with_fewer_settings(found: Search) -> None:
    best = found.best
    rivals = [t for t in found.everything if t.change.settings < best.change.settings]
    chain = {row for row in best.met if not row.startswith("latency.")}
    assert rivals
    assert not any(t.met >= chain for t in rivals)


@pytest.mark.parametrize("only", ["latency.*", "proof_*", "throughput"])
def test_tuned_passes_its_quick_rows(only: str) -> None:
    card = verify("rc3-tuned", quick=True, only=only, workers=1)
    assert {row["id"]: row["verdict"] for row in card.rows} == {
        row["id"]: "fail" if row["id"] in OUT_OF_REACH else "pass" for row in card.rows
    }


@pytest.mark.slow
def test_tuned_passes_every_row_that_is_not_out_of_reach() -> None:
    card = verify("rc3-tuned")
    verdicts = {row["id"]: row["verdict"] for row in card.rows}
    assert {name for name, verdict in verdicts.items() if verdict != "pass"} == OUT_OF_REACH
    assert len(verdicts) > 20
