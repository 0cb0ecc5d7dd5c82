"""Every battle, tournament and soup of the golden file, every figure."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bitcell_sim.chain.battle import BattleResult, Glider, Pattern, fight
from bitcell_sim.chain.battle_file import read_battle_file
from bitcell_sim.chain.tournament import match_entropy, tournament

PATH = Path(__file__).with_name("battles.json")
VECTORS = json.loads(PATH.read_text(encoding="utf-8"))
MATCHES = [match for entry in VECTORS["tournaments"] for match in entry["matches"]]
BATTLES = VECTORS["battles"] + MATCHES
TED_TOLERANCE = 1e-9


def glider(entry: dict[str, Any]) -> Glider:
    return Glider(Pattern.named(entry["pattern"]), entry["energy"], entry["x"], entry["y"])


def name(vector: dict[str, Any]) -> str:
    return vector.get("id") or f"{vector['entropy'][:8]}"


def fought(vector: dict[str, Any], *, full: bool) -> BattleResult:
    players = glider(vector["a"]), glider(vector["b"])
    entropy = bytes.fromhex(vector["entropy"])
    return fight(*players, entropy=entropy, steps=vector["steps"], history=vector["history"], full=full)


def assert_figures(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare every key; TED to a relative 1e-9, all else exactly."""
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if key == "ted" and value is not None:
            assert found[key] == pytest.approx(value, rel=TED_TOLERANCE, abs=0)
        else:
            assert found[key] == value, key


def test_the_file_is_complete() -> None:
    assert [len(VECTORS[kind]) for kind in ("battles", "tournaments", "soups")] == [44, 3, 3]
    assert len(MATCHES) == 13


@pytest.mark.parametrize("vector", BATTLES, ids=name)
def test_battle(vector: dict[str, Any]) -> None:
    assert_figures(fought(vector, full=True).as_dict(), vector["expect"])


@pytest.mark.parametrize("vector", BATTLES, ids=name)
def test_battle_without_counts_decides_the_same(vector: dict[str, Any]) -> None:
    quick, thorough = fought(vector, full=False), fought(vector, full=True)
    assert quick.start is None
    assert quick.end is None
    for figure in ("outcome", "decided_by", "energy_raw", "energy_final", "mii", "ted", "lex_hash"):
        assert getattr(quick, figure) == getattr(thorough, figure)


@pytest.mark.parametrize("vector", VECTORS["tournaments"], ids=name)
def test_tournament(vector: dict[str, Any]) -> None:
    miners, seed = [glider(entry) for entry in vector["miners"]], bytes.fromhex(vector["seed"])
    outcome = tournament(miners, seed, full=True)
    assert outcome.winner == vector["winner"]
    assert outcome.rounds == vector["rounds"]
    assert [list(bye) for bye in outcome.byes] == vector["byes"]
    for match, expected in zip(outcome.matches, vector["matches"], strict=True):
        assert (match.round_number, match.match_index) == (expected["round"], expected["match_index"])
        assert match.entropy == match_entropy(seed, match.round_number, match.match_index)
        assert match.entropy.hex() == expected["entropy"]
        assert match.final is expected["final"] is expected["history"]
        assert (match.miner_a, match.miner_b) == (expected["miner_a"], expected["miner_b"])
        assert match.winner == expected["winner"]
        assert_figures(match.result.as_dict(), expected["expect"])


@pytest.mark.parametrize("kept", [True, False], ids=["with given results", "without"])
def test_the_file_itself(kept: bool, tmp_path: Path) -> None:
    """The whole file at once; what it claims must not leak into what is found."""
    copy = tmp_path / "battles.json"
    shutil.copy(PATH, copy)
    if not kept:
        stripped = json.loads(PATH.read_text(encoding="utf-8"))
        for kind, claims in (("battles", ["expect"]), ("tournaments", ["winner", "rounds", "byes", "matches"])):
            for entry in stripped[kind]:
                for claim in claims:
                    del entry[claim]
        copy.write_text(json.dumps(stripped), encoding="utf-8")
    results = read_battle_file(copy).results()
    for kind in ("battles", "soups"):
        for vector, found in zip(VECTORS[kind], results[kind], strict=True):
            assert found["id"] == vector["id"]
            assert_figures(found["result"], vector["expect"])
    for vector, found in zip(VECTORS["tournaments"], results["tournaments"], strict=True):
        assert {key: found["result"][key] for key in ("winner", "rounds", "byes")} == {
            key: vector[key] for key in ("winner", "rounds", "byes")
        }
        for match, expected in zip(found["result"]["matches"], vector["matches"], strict=True):
            assert_figures(match["expect"], expected["expect"])
            assert {**match, "expect": None} == {**expected, "expect": None}
