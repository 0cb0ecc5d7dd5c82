"""What miners reveal, keep back and say twice."""

from __future__ import annotations

import re
from collections import Counter
from typing import get_args

import pytest

from bitcell_sim.chain.battle import Glider, Pattern, fight
from bitcell_sim.chain.miners import Miners, assign, best_reveal, chaos_spammer, sampled_seed, tie_farmer, win_share
from bitcell_sim.config import schema
from bitcell_sim.config.loader import load_scenario, scenario_to_toml
from bitcell_sim.config.miner import BEHAVIOURS
from bitcell_sim.errors import ConfigError

NODES = [f"node-{place}" for place in range(7)]
ROUNDS = 400
HEIGHTS = range(1, ROUNDS + 1)


def miners(*entries: schema.Miner, seed: int = 1) -> Miners:
    return Miners(entries, NODES, seed=seed)


def plain(behaviour: str, **more: object) -> schema.Miner:
    return schema.PlainMiner.model_validate({"node": "node-3", "behaviour": behaviour, **more})


def griefer(**more: object) -> schema.Miner:
    return schema.FlakyGriefer.model_validate({"node": "node-3", "behaviour": "flaky-griefer", **more})


def gliders(who: Miners, miner: int = 3) -> list[Glider]:
    return [who.glider(height, 0, miner) for height in HEIGHTS]


def test_honest_miners_take_each_pattern_equally_often_with_its_own_energy() -> None:
    found = Counter(gliders(miners()))
    assert set(found) == {Glider.of(pattern) for pattern in Pattern}
    assert min(found.values()) > ROUNDS / 4 - 4 * (ROUNDS * 3 / 16) ** 0.5
    assert gliders(miners()) != gliders(miners(), miner=4)
    assert gliders(miners()) != gliders(miners(seed=2))


def test_an_attempt_is_another_draw() -> None:
    who = miners()
    assert gliders(who) != [who.glider(height, 1, 3) for height in HEIGHTS]


def test_to_be_called_honest_changes_nothing() -> None:
    assert gliders(miners(plain("honest"))) == gliders(miners())


@pytest.mark.parametrize(("behaviour", "glider"), [("tie-farmer", tie_farmer()), ("chaos-spammer", chaos_spammer())])
def test_some_always_reveal_the_same_and_leave_the_others_alone(behaviour: str, glider: Glider) -> None:
    who = miners(plain(behaviour))
    assert set(gliders(who)) == {glider}
    assert gliders(who, miner=4) == gliders(miners(), miner=4)


def test_the_energy_maximiser_keeps_the_honest_pattern() -> None:
    greedy = gliders(miners(plain("energy-maximiser")))
    assert [glider.pattern for glider in greedy] == [glider.pattern for glider in gliders(miners())]
    assert {glider.energy for glider in greedy} == {255}


def test_it_starts_at_its_first_height() -> None:
    who = miners(plain("chaos-spammer", first_height=5))
    assert [who.glider(height, 0, 3) == chaos_spammer() for height in range(1, 8)] == [False] * 4 + [True] * 3


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_a_griefer_misses_and_keeps_back_as_often_as_it_is_said(probability: float) -> None:
    who = miners(griefer(missed_reveal_probability=probability, withheld_block_probability=1.0 - probability))
    missed = sum(not who.reveals(height, 0, 3) for height in HEIGHTS)
    kept = sum(not who.publishes(height, 0, 3) for height in HEIGHTS)
    room = 4 * (ROUNDS * probability * (1 - probability)) ** 0.5
    assert abs(missed - ROUNDS * probability) <= room
    assert abs(kept - ROUNDS * (1 - probability)) <= room
    assert all(who.reveals(height, 0, 4) and who.publishes(height, 0, 4) for height in HEIGHTS)
    assert gliders(who) == gliders(miners())


def test_an_equivocator_equivocates_as_often_as_it_is_said_and_is_honest_otherwise() -> None:
    entry = schema.Equivocator(node="node-3", behaviour="equivocator", equivocation_probability=0.5)
    who = miners(entry)
    times = sum(who.equivocates(height, 3) for height in HEIGHTS)
    assert abs(times - ROUNDS / 2) < 4 * (ROUNDS / 4) ** 0.5
    assert not any(who.equivocates(height, 4) for height in HEIGHTS)
    assert all(who.reveals(height, 0, 3) for height in HEIGHTS)


# ------------------------------------------------------------------------------------------------------- best reveal


def test_two_standard_gliders_tie_and_the_one_with_less_energy_wins_the_final() -> None:
    for bracket in range(60):
        entropy = sampled_seed(3, bracket)
        result = fight(tie_farmer(), Glider.of(Pattern.STANDARD), entropy=entropy, history=True, full=False)
        assert (result.outcome, result.decided_by) == ("AWins", "mii")
        early = fight(tie_farmer(), Glider.of(Pattern.STANDARD), entropy=entropy, history=False, full=False)
        assert early.decided_by == "lex"


def test_the_tie_farmer_wins_most_tournaments_and_the_chaos_spammer_none() -> None:
    assert win_share(tie_farmer(), 6, 200, seed=1) > 0.6
    assert win_share(chaos_spammer(), 6, 200, seed=1) < 0.05


def test_the_best_reveal_is_the_best_of_what_is_tried() -> None:
    energies, positions = (255, 100, 1), (0, 7)
    found = best_reveal(6, 60, energies, positions, 1)
    shares = {
        (pattern, energy): win_share(Glider(pattern, energy), 6, 60, seed=1)
        for pattern in Pattern
        for energy in energies
    }
    assert win_share(found, 6, 60, seed=1) >= max(shares.values())
    assert (found.pattern, found.energy) == (Pattern.STANDARD, 1)


def test_the_best_reveal_is_revealed_each_time() -> None:
    entry = schema.BestReveal(
        node="node-3", behaviour="best-reveal", bracket_count=20, energies=(1, 200), positions=(0,)
    )
    assert set(gliders(miners(entry))) == {best_reveal(6, 20, (1, 200), (0,), 1)}


# -------------------------------------------------------------------------------------------------- who is of what kind


def shared(share_ratio: float, behaviour: str) -> schema.Miner:
    return schema.PlainMiner.model_validate({"share_ratio": share_ratio, "behaviour": behaviour})


def test_shares_take_what_no_entry_names_from_the_end() -> None:
    spammers, named, farmers = shared(0.3, "chaos-spammer"), plain("honest", node="node-6"), shared(0.3, "tie-farmer")
    assert assign([spammers, named, farmers], NODES) == {
        6: named,
        5: spammers,
        4: spammers,
        3: farmers,
        2: farmers,
    }


def test_a_scenario_holds_populations_and_writes_them_out() -> None:
    mix = load_scenario("miner-mix")
    assert sorted(entry.behaviour for entry in mix.miner) == [
        "best-reveal",
        "chaos-spammer",
        "energy-maximiser",
        "equivocator",
        "flaky-griefer",
        "tie-farmer",
    ]
    assert 'behaviour = "flaky-griefer"' in scenario_to_toml(mix)
    sets = ["miner=[{share_ratio = 0.5, behaviour = 'tie-farmer'}]", "miner.0.behaviour=chaos-spammer"]
    (entry,) = load_scenario("rc3", sets=sets).miner
    assert (entry.share_ratio, entry.behaviour) == (0.5, "chaos-spammer")


def test_every_behaviour_is_listed() -> None:
    kinds = get_args(get_args(schema.Miner)[0])
    tags = {tag for kind in kinds for tag in get_args(kind.model_fields["behaviour"].annotation)}
    assert set(BEHAVIOURS) == tags


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{behaviour = 'honest'}", "neither node nor share_ratio"),
        ("{node = 'us-east-1', share_ratio = 0.5, behaviour = 'honest'}", "both node and share_ratio"),
        ("{node = 'us-east-3', behaviour = 'honest'}", "no node 'us-east-3'; did you mean"),
        ("{node = 'us-east-1', behaviour = 'farmer'}", "farmer"),
        ("{node = 'us-east-1', behaviour = 'flaky-griefer'}", "missed_reveal_probability: missing"),
        ("{share_ratio = 0.01, behaviour = 'honest'}", "0.01 of 7 nodes is none of them"),
        (
            "{share_ratio = 0.6, behaviour = 'honest'}, {share_ratio = 0.6, behaviour = 'tie-farmer'}",
            "the shares are 1.2 together",
        ),
        (
            "{node = 'us-east-1', behaviour = 'honest'}, {node = 'us-east-1', behaviour = 'tie-farmer'}",
            "'us-east-1' again; it is already miner.0.node",
        ),
    ],
)
def test_wrong_populations_are_refused(entry: str, says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        load_scenario("rc3", sets=[f"miner=[{entry}]"])
