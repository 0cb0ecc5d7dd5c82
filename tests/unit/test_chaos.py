"""Chaos tests: what is planned, what is read from tables, how it is judged; all of it a function of the seed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

from bitcell_sim.analysis.chaos import Event, Window, first_double_vote_s, observe
from bitcell_sim.cli import run as run_command
from bitcell_sim.cli.chaos_tables import bars, chaos_tables
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import RegionLoss, Scenario, Target
from bitcell_sim.errors import ConfigError, InputError
from bitcell_sim.report.chaos import ChaosCard
from bitcell_sim.studies import verify as verifying
from bitcell_sim.studies.chaos import Request, chaos, kinds_of, size_of, tasks_of
from bitcell_sim.studies.chaos_plan import lengths, plan_trial, possible
from bitcell_sim.studies.chaos_verdicts import judge_test
from bitcell_sim.studies.measures import Measurement, Task, measure
from bitcell_sim.studies.plan import FULL, Size, round_s

RC3 = load_scenario("rc3")
TESTS = {test.name: test for test in RC3.chaos.test}
TARGETS = {target.id: target for target in RC3.targets.target}
SMALL = Size(replications=2, blocks=4, losses=1, ping_repeats=40, years=10, trials=2)
NODES = ["a", "b", "c"]


def target(name: str) -> Target:
    return TARGETS[f"chaos.{name}"]


# ---------------------------------------------------------------------------------------------------------- the plan


def test_the_document_s_five_and_the_script_s_two() -> None:
    assert list(TESTS) == [
        "node_failure",
        "regional_failure",
        "network_partition",
        "high_latency",
        "resource_exhaustion",
        "packet_loss",
        "byzantine_node",
    ]
    assert {f"chaos.{name}" for name in TESTS} == {name for name in TARGETS if name.startswith("chaos.")}
    shorts = {name: {fault.duration_s for v in test.variant for fault in v.fault} for name, test in TESTS.items()}
    assert shorts["node_failure"] == {10.0}
    assert shorts["regional_failure"] == {15.0}
    assert shorts["network_partition"] == shorts["high_latency"] == shorts["resource_exhaustion"] == {30.0}


@pytest.mark.parametrize("name", [name for name in TESTS if name != "byzantine_node"])
@pytest.mark.parametrize("length", ["short", "long"])
def test_a_trial_breaks_for_as_long_and_is_watched_for_two_limits(name: str, length: str) -> None:
    for seed in (1, 2, 3, 4):
        trial = plan_trial(RC3, TESTS[name], length, seed, target(name).limit)
        window, test = trial.window, TESTS[name]
        held = window.end_s - window.start_s
        assert held == pytest.approx(600.0 if length == "long" else test.variant[0].fault[0].duration_s)
        assert {fault.start_s for fault in trial.scenario.fault} == {window.start_s}
        assert window.until_s == trial.scenario.duration_s == pytest.approx(window.end_s + 2 * target(name).limit)
        assert window.service_s == (window.end_s if test.counted_from == "end" else window.start_s)
        assert window.nodes_s == (
            window.start_s if test.counted_from == "start" and length == "short" else window.end_s
        )
        assert window.variant in {variant.title for variant in test.variant}


def test_moments_are_spread_over_a_round_after_the_warm_up() -> None:
    starts = [plan_trial(RC3, TESTS["packet_loss"], "short", seed, 120.0).window.start_s for seed in range(200)]
    length = round_s(RC3)
    assert min(starts) >= length * RC3.warmup_blocks
    assert max(starts) - min(starts) == pytest.approx(length, rel=0.05)


def test_variants_come_in_turn_and_lost_regions_do_not_ask() -> None:
    trials = [plan_trial(RC3, TESTS["regional_failure"], "short", seed, 120.0) for seed in range(8)]
    regions = [region.name for region in RC3.deployment.region]
    assert [trial.window.lost_regions for trial in trials] == [(name,) for name in regions] * 2
    assert all(isinstance(trial.scenario.fault[0], RegionLoss) for trial in trials)


def test_misbehaving_miners_have_no_short_test() -> None:
    assert lengths(TESTS["byzantine_node"]) == ("long",)
    trial = plan_trial(RC3, TESTS["byzantine_node"], "long", 0, 120.0)
    assert (trial.offender, trial.first_height) == ("us-east-1", 4)
    assert trial.scenario.miner[0].behaviour == "equivocator"
    assert trial.scenario.fault == ()


def smaller() -> Scenario:
    """The mesh without its Asian region."""
    deployment = RC3.deployment
    return RC3.model_copy(
        update={
            "deployment": deployment.model_copy(update={"region": deployment.region[:3], "node": deployment.node[:6]})
        }
    )


def test_variants_of_what_is_not_there_are_left_out() -> None:
    scenario = smaller()
    titles = [variant.title for variant in possible(scenario, TESTS["regional_failure"])]
    assert titles == ["us-east", "us-west", "eu-central"]
    assert [variant.title for variant in possible(scenario, TESTS["network_partition"])] == []
    assert kinds_of(target("network_partition"), scenario) == []
    verdict = judge_test(TESTS["network_partition"], target("network_partition"), {"short": [], "long": []}, 600.0)
    assert verdict.verdict == "unknown"
    assert "has none of the nodes and regions" in verdict.why


def test_every_variant_gets_as_many_runs() -> None:
    tasks = tasks_of(target("regional_failure"), RC3, FULL, 1)
    assert len(tasks) == 2 * 4 * FULL.trials
    assert [task.kind for task in tasks[:: 4 * FULL.trials]] == [
        "chaos.regional_failure.long",
        "chaos.regional_failure.short",
    ]
    assert len(tasks_of(target("resource_exhaustion"), RC3, FULL, 1)) == 2 * FULL.trials
    assert FULL.trials >= 72  # or no interval
    with pytest.raises(InputError, match="replications = 0"):
        size_of(quick=False, replications=0)


# -------------------------------------------------------------------------------------------------------- the tables


def tables(
    blocks: Sequence[tuple[int, float, float | None, str]],
    finals: Sequence[tuple[str, int, float]] = (),
    requests: Sequence[tuple[str, float, str, float | None]] = (),
    recoveries: Sequence[tuple[str, str, float]] = (),
    **more: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """Tables of seconds.

    Blocks are (height, built, final, state), finals (node, block, at), requests (region, sent, told, final).
    """
    node = pd.CategoricalDtype(NODES)
    frames = {
        "blocks": pd.DataFrame(
            [
                (i, height, built * 1e3, (final or math.nan) * 1e3, state)
                for i, (height, built, final, state) in enumerate(blocks)
            ],
            columns=["block", "height", "built_ms", "quorum_final_ms", "state"],
        ),
        "finals": pd.DataFrame([(n, b, at * 1e3) for n, b, at in finals], columns=["node", "block", "at_ms"]),
        "transactions": pd.DataFrame(
            [
                (region, sent * 1e3, told, math.nan if final is None else final * 1e3)
                for region, sent, told, final in requests
            ],
            columns=["client_region", "submitted_ms", "request", "final_ms"],
        ),
        "recoveries": pd.DataFrame([(n, s, at * 1e3) for n, s, at in recoveries], columns=["node", "stage", "at_ms"]),
        "balancers": pd.DataFrame({"node": ["a"], "up": [1], "at_ms": [150e3]}),
        "evidence": pd.DataFrame({"at_ms": pd.Series([], dtype=float)}),
        "trust": pd.DataFrame(
            {"node": ["a", "b"], "height": [2, 2], "status": ["eligible", "warning"], "ban_end_height": [0, 0]}
        ),
    }
    frames["finals"]["node"] = frames["finals"]["node"].astype(node)
    return frames | more


def every_second(region: str, start: int, end: int, bad: range, final_s: float | None = None) -> list[Any]:
    """A request a second, told there is no server in some seconds."""
    return [(region, t + 0.5, "no-server" if t in bad else "ok", final_s) for t in range(start, end)]


FAULT = Window("x", start_s=100.0, end_s=130.0, until_s=400.0, service_s=130.0, nodes_s=130.0)
BLOCKS = [
    (1, 50.0, 51.0, "final"),
    (2, 90.0, 91.0, "final"),
    (3, 110.0, 125.0, "final"),
    (3, 112.0, None, "orphaned"),
    (4, 160.0, 171.0, "final"),
]


def test_parts_count_from_the_end_and_the_worst_of_those_judged_counts() -> None:
    finals = [(n, b, at) for b, at in ((0, 51.0), (1, 91.0)) for n in NODES]
    finals += [("a", 2, 125.0), ("b", 2, 126.0), ("c", 2, 133.5), *((n, 4, 171.0) for n in NODES)]
    requests = every_second("east", 30, 400, bad=range(100, 150)) + every_second("west", 30, 400, bad=range(0))
    requests.sort(key=lambda request: request[1])
    event = observe(tables(BLOCKS, finals, requests), FAULT, ["nodes", "clients", "chain"])
    assert event.parts == {"synced": 3.5, "nodes": 3.5, "clients": 30.0, "chain": 41.0}
    assert (event.total_s, event.cut_off) == (41.0, False)
    assert (event.final_count, event.orphaned_count, event.excluded_count, event.crash_count) == (1, 1, 1, 0)
    assert math.isnan(event.caught_s)
    assert observe(tables(BLOCKS, finals, requests), FAULT, ["nodes", "clients"]).total_s == 30.0


def test_a_lost_region_s_own_clients_are_not_asked() -> None:
    requests = every_second("east", 30, 400, bad=range(100, 399)) + every_second("west", 30, 400, bad=range(0))
    requests.sort(key=lambda request: request[1])
    finals = [(n, 1, 91.0) for n in NODES]
    lost = Window("x", 100.0, 130.0, 400.0, 100.0, 100.0, lost_regions=("east",))
    assert observe(tables(BLOCKS, finals, requests), lost, ["clients"]).parts["clients"] == 10.0  # one whole window
    asked = Window("x", 100.0, 130.0, 400.0, 100.0, 100.0)
    event = observe(tables(BLOCKS, finals, requests), asked, ["clients"])
    assert math.isnan(event.parts["clients"])
    assert (event.total_s, event.cut_off) == (300.0, True)  # up to the end of the run


def test_what_never_comes_back_counts_up_to_the_end() -> None:
    finals = [(n, 1, 91.0) for n in NODES] + [("a", 2, 125.0)]  # b and c never hold it
    event = observe(tables(BLOCKS[:3], finals, every_second("east", 30, 400, bad=range(0))), FAULT, ["nodes", "chain"])
    assert math.isnan(event.parts["nodes"])
    assert math.isnan(event.parts["chain"])
    assert (event.total_s, event.cut_off) == (270.0, True)


def test_nodes_that_went_down_count_until_the_last_is_up_connected_and_caught_up() -> None:
    recoveries = [
        *(
            ("a", stage, at)
            for stage, at in zip(
                ("crash", "process", "peers", "synced", "first-vote"), (100, 140, 141, 143, 180), strict=True
            )
        ),
        *(
            ("b", stage, at)
            for stage, at in zip(
                ("crash", "process", "peers", "synced", "first-vote"), (100, 120, 155, 121, 170), strict=True
            )
        ),
    ]
    balancers = pd.DataFrame({"node": ["a", "a", "b"], "up": [0, 1, 1], "at_ms": [110e3, 152e3, 131e3]})
    made = tables(
        BLOCKS,
        [(n, 1, 91.0) for n in NODES],
        every_second("east", 30, 400, bad=range(0)),
        recoveries,
        balancers=balancers,
    )
    event = observe(made, Window("x", 100.0, 110.0, 400.0, 100.0, 100.0), ["nodes"])
    assert {part: event.parts[part] for part in ("process", "peers", "synced", "voting", "served", "nodes")} == {
        "process": 40.0,
        "peers": 55.0,
        "synced": 43.0,
        "voting": 80.0,
        "served": 52.0,
        "nodes": 55.0,
    }
    assert event.crash_count == 2
    late = observe(made, Window("x", 100.0, 110.0, 400.0, 100.0, 110.0), ["nodes"])  # from the end of the fault
    assert late.parts["nodes"] == 45.0


def test_a_node_that_does_not_come_back_is_cut_off() -> None:
    recoveries = [("a", "crash", 100.0), ("a", "process", 120.0), ("b", "crash", 100.0)]
    made = tables(BLOCKS, [(n, 1, 91.0) for n in NODES], every_second("east", 30, 400, bad=range(0)), recoveries)
    event = observe(made, FAULT, ["nodes"])
    assert math.isnan(event.parts["nodes"])
    assert event.total_s == 270.0


def test_final_over_offered_while_it_holds() -> None:
    requests = every_second("east", 30, 100, range(0), final_s=99.0)
    requests += every_second("east", 100, 130, range(0), final_s=120.0)[:20] + every_second("east", 120, 130, range(0))
    event = observe(tables(BLOCKS, [(n, 1, 91.0) for n in NODES], requests), FAULT, ["chain"])
    assert event.final_ratio == pytest.approx(20 / 30)


def test_the_first_double_vote_is_the_offender_s_first_at_that_height() -> None:
    votes = pd.DataFrame({"node": ["a", "b", "b", "b"], "height": [4, 3, 4, 5], "at_ms": [1e3, 2e3, 3e3, 4e3]})
    assert first_double_vote_s({"votes": votes}, "b", 4) == 3.0
    assert math.isnan(first_double_vote_s({"votes": votes}, "c", 4))


# ------------------------------------------------------------------------------------------------------ the verdicts


def run(total_s: float, variant: str = "v", **figures: Any) -> Measurement:
    parts = {"synced": 0.0, "nodes": 0.0, "clients": 10.0, "chain": total_s}
    values: dict[str, Any] = {
        "cut_off": False,
        "final_count": 10,
        "orphaned_count": 0,
        "final_ratio": 0.9,
        "crash_count": 0,
        "excluded_count": 0,
        "caught_s": math.nan,
    }
    violations = figures.pop("violations", [])
    return Measurement(chaos=Event(variant, parts, total_s, **(values | figures)), violations=violations)


def judged(name: str, short: Sequence[Measurement], long: Sequence[Measurement]) -> Any:
    return judge_test(TESTS[name], target(name), {"short": short, "long": long}, 600.0)


GOOD = [run(40.0 + i % 10) for i in range(73)]


def test_the_worse_length_counts() -> None:
    slow = [run(130.0 + i % 10) for i in range(73)]
    assert judged("high_latency", GOOD, GOOD).verdict == "pass"
    verdict = judged("high_latency", GOOD, slow)
    assert (verdict.verdict, verdict.worse.length) == ("fail", "long")
    assert judged("high_latency", slow, GOOD).worse.length == "short"
    assert judged("high_latency", GOOD, GOOD[:20]).verdict == "unknown"
    assert "too few runs for an interval (20)" in judged("high_latency", GOOD, GOOD[:20]).why


def test_the_worst_variant_counts_however_many_good_ones_there_are() -> None:
    bad = [run(125.0 + i % 3, variant="split") for i in range(73)]
    others = [run(20.0, variant=f"easy {k}") for k in range(9) for _ in range(73)]
    verdict = judged("network_partition", others + bad, others)
    assert verdict.verdict == "fail"
    assert verdict.worse.worst.variant == "split"
    assert verdict.worse.worst.recovery_s.n == 73
    said = "30 s, split: nodes up, connected and caught up 0 s, clients served 10 s, next block final 127 s (p95)"
    assert said in verdict.why


def test_too_close_to_the_limit_is_said() -> None:
    close = [run(100.0 + i / 2) for i in range(73)]  # 100 to 136 s
    verdict = judged("high_latency", close, GOOD)
    assert verdict.verdict == "fail"
    wide = [run(40.0 + i * 1.2) for i in range(73)]  # p95 at 122 s
    verdict = judged("high_latency", wide, GOOD)
    assert verdict.verdict == "unknown"
    assert "too close to the limit for 73 runs" in verdict.why


@pytest.mark.parametrize(
    ("name", "bad", "said"),
    [
        ("high_latency", {"final_count": 0}, "no block became final while it held in 1 of 73 runs"),
        ("regional_failure", {"final_count": 0}, "no block became final while it held in 1 of 73 runs"),
        ("resource_exhaustion", {"crash_count": 1}, "a process crashed in 1 of 73 runs"),
        ("packet_loss", {"violations": ["double_finality: height 7"]}, "unsafe: double_finality: height 7"),
    ],
)
def test_what_has_to_hold_meanwhile_fails_the_test_whatever_the_time(name: str, bad: dict[str, Any], said: str) -> None:
    verdict = judged(name, GOOD, [*GOOD[:-1], run(40.0, **bad)])
    assert verdict.verdict == "fail"
    assert said in verdict.why
    assert judged(name, GOOD, GOOD).verdict == "pass"


def test_a_split_without_a_quorum_may_stall_and_no_other() -> None:
    def split(cut_off_count: int) -> Any:
        counts = {"2 nodes cut off": cut_off_count, "3 against 4": 0}
        long = [run(40.0, variant=name, final_count=count) for name, count in counts.items() for _ in range(73)]
        return judged("network_partition", GOOD, long)

    assert split(13).verdict == "pass"
    assert "blocks final: 13 with 2 nodes cut off, none with 3 against 4" in split(13).why
    assert split(0).verdict == "fail"
    assert "no block became final while it held in 73 of 73 runs" in split(0).why
    idle = [variant.title for test in TESTS.values() for variant in test.variant if variant.no_quorum]
    assert idle == ["3 against 4"]


def test_half_of_what_is_offered() -> None:
    for ratios, expected in (((0.55, 0.6), "pass"), ((0.4, 0.45), "fail"), ((0.2, 0.8), "unknown")):
        long = [run(40.0, final_ratio=ratios[i % 2]) for i in range(73)]
        verdict = judged("high_latency", GOOD, long)
        assert verdict.verdict == expected
        assert ("not certain that 50% of what is offered becomes final" in verdict.why) == (expected != "pass")


def test_who_is_shut_out_and_when_double_votes_are_proved_is_told() -> None:
    long = [run(60.0, excluded_count=1, caught_s=3.0) for _ in range(73)]
    why = judge_test(TESTS["byzantine_node"], target("byzantine_node"), {"long": long}, 600.0).why
    assert "the double votes were proved 3 s after the first" in why
    assert "in 100% of the runs a miner ends shut out of all tournaments" in why


# ------------------------------------------------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return chaos(Request(size=SMALL), workers=2)


def test_the_contract_of_the_json(content: dict[str, Any]) -> None:
    json.dumps(content, allow_nan=False)
    assert [entry["name"] for entry in content["scenarios"]] == list(TESTS)
    for entry in content["scenarios"]:
        assert {"name", "verdict", "recovery_s", "expected", "why", "alerts"} <= set(entry)
        assert set(entry["recovery_s"]) == {"measured", "ci_low", "ci_high", "limit"}
        assert entry["alerts"] == []
        for at in entry["lengths"]:
            assert [len(row["recoveries_s"]) for row in at["variants"]] == [row["n"] for row in at["variants"]]
            assert at["slowest"] in [row["variant"] for row in at["variants"]]
        assert entry["recovery_s"]["limit"] == target(entry["name"]).limit
        assert entry["verdict"] in ("pass", "fail", "unknown")
        assert entry["verdict"] != "pass"  # two runs prove nothing
    assert "bitcell-sim alerts" in content["alerts_why"]
    assert content["scenarios"][0]["expected"] == "Expected: Node recovers within 60s"


def test_what_is_known_of_rc3(content: dict[str, Any]) -> None:
    card = ChaosCard(content)
    node, partition = card["node_failure"]["lengths"], card["network_partition"]["lengths"][1]
    assert all(at["parts"]["process"]["p50_s"] > (10.0 if at["length"] == "short" else 0.0) for at in node)
    during = {row["variant"]: row["final_blocks"] for row in partition["variants"]}
    assert during["3 against 4"] == 0
    assert during["2 nodes cut off"] > 5
    assert card["byzantine_node"]["lengths"][0]["shut_out_share"] == 1.0  # found out, and banned
    assert card["high_latency"]["lengths"][1]["final_ratio"]["measured"] > 0.8
    assert not any("unsafe" in test["why"] for test in card.tests)


def test_workers_do_not_change_a_byte(content: dict[str, Any]) -> None:
    alone = chaos(Request(size=SMALL, only="network_partition"), workers=1)["scenarios"]
    assert json.dumps(alone) == json.dumps([content["scenarios"][2]])


def test_the_card_shows_itself(content: dict[str, Any]) -> None:
    card = ChaosCard(content)
    assert len(card.frame) == 13
    assert len(card.recoveries) == 23 * SMALL.trials
    assert set(card.parts["part"]) >= {"process", "peers", "synced", "voting", "pool", "served", "clients", "chain"}
    assert card.markdown().count("\n") == 2 + 7
    axes = card.plot().axes[0]
    labels = [label.get_text().partition(",")[0] for label in axes.get_yticklabels()]
    assert list(dict.fromkeys(labels)) == list(TESTS)
    assert len(labels) == 23


def test_the_terminal_shows_distributions_and_parts(
    content: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    for table in chaos_tables(content):
        Console(width=220).print(table)
    said = capsys.readouterr().out
    for word in ("node_failure", "3 against 4", "first vote", "pool refilled", "median", "clients served", "|"):
        assert word in said
    drawn = bars([1.0, 1.0, 30.0, 61.0, 500.0], 60.0)
    assert drawn == "█     ▄     |▄          ▄"


def test_a_report_is_a_figure_and_tables(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["chaos", "--scenario", "node_failure", "--replications", "2", "--quiet", "--report", str(tmp_path)]
    assert run_command([*words, "--no-gate", "--workers", "1", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["scenarios"][0]["name"] == "node_failure"
    assert (tmp_path / "chaos.png").read_bytes().startswith(b"\x89PNG")
    assert "| node_failure | Expected: Node recovers within 60s |" in (tmp_path / "chaos.md").read_text("utf-8")
    parts = pd.read_csv(tmp_path / "chaos_parts.csv")
    assert set(parts["length"]) == {"short", "long"}
    assert parts.set_index(["length", "part"])["p50_s"]["short"]["process"] > 10.0


def test_a_name_that_is_none_is_a_key_error(content: dict[str, Any]) -> None:
    card = ChaosCard(content)
    with pytest.raises(KeyError, match="node_failure"):
        card["nothing"]


def test_an_unknown_test_is_refused() -> None:
    with pytest.raises(InputError, match="no such chaos test; did you mean 'regional_failure'"):
        chaos(Request(only="region_failure"))


def test_a_test_without_a_limit_is_refused(tmp_path: Any) -> None:
    text = load_chaos_text().replace('name = "packet_loss"', 'name = "packet_storm"')
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"without a limit: packet_storm; a target chaos\.NAME gives it"):
        chaos(Request(sets=(f"chaos={tmp_path / 'mine.toml'}",)))


def load_chaos_text() -> str:
    from bitcell_sim.config import catalog

    return catalog.path("chaos", "rc3").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "packet_loss"', 'name = "node_failure"', "'node_failure' again"),
        (", duration_s = 10.0", "", "test.0.variant.0.fault.0.duration_s: missing"),
        ("share_ratio = 0.14, ", "", "neither node nor region nor share_ratio"),
        ('node = "us-east-1", behaviour', "share_ratio = 0.2, behaviour", "miner.0.node: missing"),
        (
            'fault = [{ kind = "loss", share_ratio = 1.0, probability = 0.2, start_s = 0.0, duration_s = 30.0 }]',
            "",
            "neither fault nor miner",
        ),
        ('judged = ["nodes", "clients"]', "judged = []", "judged"),
    ],
)
def test_tests_that_make_no_sense_are_refused(tmp_path: Any, old: str, new: str, said: str) -> None:
    assert old in load_chaos_text()
    (tmp_path / "mine.toml").write_text(load_chaos_text().replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=said.replace(".", r"\.")):
        load_scenario("rc3", sets=[f"chaos={tmp_path / 'mine.toml'}"])


def test_verify_has_the_rows_and_quick_leaves_them_out() -> None:
    few = Size(replications=2, blocks=4, losses=1, ping_repeats=40, years=10, trials=1)
    rows = verifying.verify(verifying.Request(size=few, only="chaos.*_failure", targets_only=True), workers=2)["rows"]
    assert [row["id"] for row in rows] == ["chaos.node_failure", "chaos.regional_failure"]
    for row in rows:
        assert row["verdict"] == "unknown"  # one run each
        assert row["measured"] > 0
        assert set(row["beside"]) == {"short_p95_s", "long_p95_s"}
        assert "--only 'chaos." in row["evidence"]
    left = verifying.chosen(RC3, verifying.Request(targets_only=True))
    assert {entry.id for entry in left} < {name for name in TARGETS if not name.startswith("chaos.")} | {"uptime"}
    assert "node_recovery" in [entry.id for entry in left]
    assert len(verifying.chosen(RC3, verifying.Request())) == len(TARGETS)


def test_one_run_of_a_kind_is_the_same_whoever_does_it() -> None:
    task = Task("chaos.regional_failure.short", RC3, 5, SMALL, 120.0)
    assert repr(measure(task).chaos) == repr(measure(task).chaos)
