"""A battle file that is wrong says where and what would be right; one that is right is fought."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bitcell_sim.chain.battle import Glider, Pattern, fight
from bitcell_sim.chain.battle_file import read_battle_file
from bitcell_sim.errors import ConfigError, InputError

SEED = "00" * 32


def battle(**changes: Any) -> dict[str, Any]:
    entry = {"a": {"pattern": "Standard"}, "b": {"pattern": "Heavyweight"}, "entropy": SEED, "steps": 8}
    return {key: value for key, value in {**entry, **changes}.items() if value is not ...}


def contest(**changes: Any) -> dict[str, Any]:
    entry = {"seed": SEED, "miners": [{"pattern": "Standard"}]}
    return {key: value for key, value in {**entry, **changes}.items() if value is not ...}


def soup(**changes: Any) -> dict[str, Any]:
    entry = {"splitmix64_seed": 1, "density_of_256": 10, "steps": 0}
    return {key: value for key, value in {**entry, **changes}.items() if value is not ...}


def written(folder: Path, content: Any) -> Path:
    path = folder / "fights.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


FAULTS = [
    ({"battles": [battle(a={"pattern": "Hevyweight"})]}, "battles.0.a.pattern", "did you mean 'Heavyweight'?"),
    ({"battles": [battle(a={"pattern": "standard"})]}, "battles.0.a.pattern", "did you mean 'Standard'?"),
    ({"battles": [battle(a={"pattern": "Zzz"})]}, "battles.0.a.pattern", "Lightweight, Middleweight"),
    ({"battles": [battle(a={"pattern": 3})]}, "battles.0.a.pattern", "is 3: write one of Standard"),
    ({"battles": [battle(a={"energy": 3})]}, "battles.0.a.pattern", "missing"),
    ({"battles": [battle(a=...)]}, "battles.0.a", "should be an object with pattern"),
    ({"battles": [battle(b="Standard")]}, "battles.0.b", "should be an object with pattern"),
    ({"battles": [battle(b={"pattern": "Standard", "energy": 256})]}, "battles.0.b.energy", "256, outside 0..255"),
    ({"battles": [battle(b={"pattern": "Standard", "energy": -1})]}, "battles.0.b.energy", "-1, outside 0..255"),
    ({"battles": [battle(b={"pattern": "Standard", "energy": 9.5})]}, "battles.0.b.energy", "9.5: write a whole"),
    ({"battles": [battle(b={"pattern": "Standard", "energy": True})]}, "battles.0.b.energy", "true: write a whole"),
    ({"battles": [battle(b={"pattern": "Standard", "energy": None})]}, "battles.0.b.energy", "null: write a whole"),
    ({"battles": [battle(b={"pattern": "Standard", "enrgy": 9})]}, "battles.0.b.enrgy", "did you mean 'energy'?"),
    ({"battles": [battle(b={"pattern": "Standard", "x": -4})]}, "battles.0.b.x", "-4, outside"),
    ({"battles": [battle(b={"pattern": "Standard", "y": 2**64})]}, "battles.0.b.y", "18446744073709551616, outside"),
    ({"battles": [battle(entropy="00")]}, "battles.0.entropy", "has 2 characters: write 64 hex digits"),
    ({"battles": [battle(entropy="g" + SEED[1:])]}, "battles.0.entropy", "'g', which is no hex digit"),
    ({"battles": [battle(entropy=" " + SEED[1:])]}, "battles.0.entropy", "' ', which is no hex digit"),
    ({"battles": [battle(entropy=...)]}, "battles.0.entropy", "is missing: write 64 hex digits"),
    ({"battles": [battle(entropy=7)]}, "battles.0.entropy", "is 7: write 64 hex digits"),
    ({"battles": [battle(steps=-1)]}, "battles.0.steps", "-1, outside 0..10000000"),
    ({"battles": [battle(steps="8")]}, "battles.0.steps", '"8": write a whole number'),
    ({"battles": [battle(steps=10**9)]}, "battles.0.steps", "1000000000, outside"),
    ({"battles": [battle(history=1)]}, "battles.0.history", "1: write true or false"),
    ({"battles": [battle(histroy=True)]}, "battles.0.histroy", "did you mean 'history'?"),
    ({"battles": [battle(), 5]}, "battles.1", "is 5, and should be an object"),
    ({"battles": [{}]}, "battles.0", "is empty"),
    ({"battles": {}}, "battles", "is {}, and should be a list"),
    ({"tournaments": [contest(miners=[])]}, "tournaments.0.miners", "is empty: list at least one glider"),
    ({"tournaments": [contest(miners=...)]}, "tournaments.0.miners", "is missing: list at least one glider"),
    ({"tournaments": [contest(seed="ab")]}, "tournaments.0.seed", "has 2 characters"),
    ({"tournaments": [contest(miners=[{"pattern": "Standart"}])]}, "tournaments.0.miners.0.pattern", "'Standard'?"),
    ({"soups": [soup(density_of_256=257)]}, "soups.0.density_of_256", "257, outside 0..256"),
    ({"soups": [soup(splitmix64_seed=-1)]}, "soups.0.splitmix64_seed", "-1, outside"),
    ({"soups": [soup(steps=...)]}, "soups.0.steps", "is missing: write a whole number"),
]


@pytest.mark.parametrize(("content", "key", "problem"), FAULTS, ids=[f"{key} {text[:24]}" for _, key, text in FAULTS])
def test_each_fault_is_named(content: Any, key: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_battle_file(written(tmp_path, content))
    (finding,) = caught.value.findings
    assert finding.key == key
    assert problem in finding.problem
    assert finding.where.endswith("fights.json")


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    wrong = {"battles": [battle(steps=-1, entropy="")], "tournaments": [contest(miners=[])], "soups": [soup(steps=-2)]}
    with pytest.raises(ConfigError) as caught:
        read_battle_file(written(tmp_path, wrong))
    keys = [finding.key for finding in caught.value.findings]
    assert keys == ["battles.0.entropy", "battles.0.steps", "tournaments.0.miners", "soups.0.steps"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"battles": [', "line 1, column 14: not JSON .*cut short"),
        ("", "line 1, column 1: not JSON"),
        ("[1]", r"holds \[1\], and should hold an object with battles, tournaments, soups"),
        ("null", "holds null"),
        ("{}", "nothing to fight"),
        ('{"battles": [], "soups": []}', "nothing to fight"),
        ('{"battle": []}', "battle: is not a list this file may hold: did you mean 'battles'?"),
        ('{"soups": [], "tournament": "as text"}', "nothing to fight"),
        ("[" * 100_000, "not usable JSON"),
        ("9" * 5000, "not usable JSON"),
    ],
    ids=[
        "truncated",
        "empty",
        "a list",
        "null",
        "no lists",
        "empty lists",
        "misspelt list",
        "a remark",
        "deep",
        "long number",
    ],
)
def test_unusable_files(content: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        read_battle_file(written(tmp_path, content))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json: cannot be read: No such file"):
        read_battle_file(tmp_path / "nowhere.json")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_battle_file(tmp_path)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b'{"battles": "\xff"}')
    with pytest.raises(InputError, match="byte 13 is not UTF-8"):
        read_battle_file(binary)


def test_defaults_and_other_keys(tmp_path: Path) -> None:
    """Steps, energy, position and history may be left out; keys of one's own stay; given results do not count."""
    entry = battle(steps=..., note="mine", expect={"outcome": "BWins"}, result={"outcome": "BWins"}, weather="fine")
    (found,) = read_battle_file(written(tmp_path, {"battles": [entry], "remark": 1})).results()["battles"]
    expected = fight(Glider.of(Pattern.STANDARD), Glider.of(Pattern.HEAVYWEIGHT), entropy=bytes(32)).as_dict()
    assert found == {**entry, "result": expected}
    assert expected["outcome"] == "AWins"
    assert expected["mii"] is None


def test_upper_case_digits_and_a_tournament_of_one(tmp_path: Path) -> None:
    content = {"battles": [battle(entropy="AB" * 32)], "tournaments": [contest()]}
    results = read_battle_file(written(tmp_path, content)).results()
    assert results["battles"][0]["result"]["noise_iterations"] > 0
    assert results["tournaments"][0]["result"] == {"winner": 0, "rounds": 0, "byes": [], "matches": []}
    assert "soups" not in results


def test_soups_at_both_ends(tmp_path: Path) -> None:
    content = {"soups": [soup(density_of_256=0, steps=3), soup(density_of_256=256), soup(density_of_256=256, steps=1)]}
    empty, full, crowded = (
        entry["result"] for entry in read_battle_file(written(tmp_path, content)).results()["soups"]
    )
    assert (empty["initial_live"], empty["live"], empty["total_energy"]) == (0, 0, 0)
    assert full["live"] == full["initial_live"] == 1024**2
    assert crowded["live"] == 0
