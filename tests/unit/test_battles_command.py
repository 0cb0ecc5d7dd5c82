"""`battles`: what it draws, and how it says what is wrong with a file, a choice or a place to write to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bitcell_sim.chain.battle_file import read_battle_file
from bitcell_sim.cli import run
from bitcell_sim.errors import InputError

SEED = "00" * 32
LIGHT, HEAVY = {"pattern": "Standard"}, {"pattern": "Heavyweight"}
FIGHTS = {
    "battles": [
        {"id": "first", "a": LIGHT, "b": HEAVY, "entropy": SEED, "steps": 3},
        {"id": "twice", "a": HEAVY, "b": HEAVY, "entropy": SEED, "steps": 0},
    ],
    "tournaments": [
        {"id": "three", "seed": SEED, "miners": [LIGHT, HEAVY, LIGHT]},
        {"id": "twice", "seed": SEED, "miners": [LIGHT]},
    ],
    "soups": [{"id": "soup", "splitmix64_seed": 1, "density_of_256": 0, "steps": 0}],
}
Capture = pytest.CaptureFixture[str]


def written(folder: Path, content: Any = FIGHTS) -> str:
    path = folder / "fights.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def refused(capsys: Capture, *arguments: str) -> str:
    """What is said about bad input, on standard error, in words."""
    capsys.readouterr()
    assert run(["battles", *arguments]) == 64
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "fault of bitcell-sim" not in said.err
    return " ".join(said.err.split())


def bad_battle(**changes: Any) -> dict[str, Any]:
    return {"battles": [{**FIGHTS["battles"][0], **changes}]}


# --------------------------------------------------------------------------------------------------------- pictures


def test_pictures_are_drawn_where_asked(capsys: Capture, tmp_path: Path) -> None:
    file = written(tmp_path)
    film, strip, bracket = (tmp_path / "new" / name for name in ("film.gif", "strip.PNG", "bracket.png"))
    assert run(["battles", file, "--animate", str(film)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == f"drawn: {film}"
    assert "Standard against Heavyweight" in said
    assert film.read_bytes().startswith(b"GIF89a")
    assert run(["battles", file, "--animate", str(strip), "--bracket", str(bracket), "--which", "three"]) == 0
    assert strip.read_bytes().startswith(b"\x89PNG")
    assert bracket.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in film.parent.iterdir()) == ["bracket.png", "film.gif", "strip.PNG"]


def test_json_on_standard_output_stays_alone(capsys: Capture, tmp_path: Path) -> None:
    assert run(["battles", written(tmp_path), "--bracket", str(tmp_path / "b.png"), "--json", "-"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["tournaments"][0]["result"]["winner"] in (0, 1, 2)
    assert (tmp_path / "b.png").exists()


def test_which_battle_is_meant(tmp_path: Path) -> None:
    file = read_battle_file(Path(written(tmp_path)))
    assert file.battle() == file.battle("first") == file.battle("battles.0")
    assert file.battle("battles.1").a.pattern.value == "Heavyweight"
    outcome = file.tournament()
    assert outcome == file.tournament("three") == file.tournament("tournaments.0")
    assert file.battle("three") == outcome.matches[-1].result
    assert file.battle("tournaments.0.matches.0") == outcome.matches[0].result
    assert file.battle("tournaments.0.matches.1") == outcome.matches[1].result
    only = read_battle_file(Path(written(tmp_path, {"tournaments": FIGHTS["tournaments"][:1]})))
    assert only.battle() == outcome.matches[-1].result


@pytest.mark.parametrize(
    ("kind", "which", "says"),
    [
        ("battle", "frist", "has no 'frist': did you mean 'first'?"),
        ("battle", "zzzzzz", "has no 'zzzzzz': it has first, twice, three, twice, soup, battles.0, ..."),
        ("battle", "battles.2", "has no 'battles.2': did you mean 'battles."),
        ("battle", "battles.0.matches.0", "has no 'battles.0.matches.0'"),
        ("battle", "twice", "battles.1 and tournaments.1 have the id 'twice': choose by place"),
        ("battle", "soup", "soups.0 is a soup, in which nobody fights"),
        ("battle", "tournaments.1", "tournaments.1 has one miner, so nothing is fought in it"),
        ("battle", "tournaments.0.matches.2", "tournaments.0 has matches 0 to 1, and no 2"),
        ("tournament", "first", "battles.0 is no tournament, so it has no bracket"),
        ("tournament", "tournaments.0.matches.0", "tournaments.0.matches.0 is a match, and a bracket shows them all"),
    ],
    ids=lambda value: value if len(value) < 30 else "",
)
def test_what_cannot_be_drawn(kind: str, which: str, says: str, tmp_path: Path) -> None:
    file = read_battle_file(Path(written(tmp_path)))
    with pytest.raises(InputError) as caught:
        getattr(file, kind)(which)
    assert says in str(caught.value)
    assert str(caught.value).startswith(file.where)


def test_a_file_without_anything_to_draw(tmp_path: Path) -> None:
    file = read_battle_file(Path(written(tmp_path, {"soups": FIGHTS["soups"]})))
    with pytest.raises(InputError, match="holds no battles and no tournaments to draw"):
        file.battle()
    with pytest.raises(InputError, match="holds no tournaments to draw"):
        file.tournament()


# -------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--animate", "out.bmp"], "--animate out.bmp: ends in '.bmp', and should end in .gif or .png"),
        (["--animate", "out"], "--animate out: has no suffix, and should end in .gif or .png"),
        (["--animate", ".gif"], "has no suffix"),
        (["--bracket", "out.gif"], "--bracket out.gif: ends in '.gif', and should end in .png"),
        (["--which", "first"], "--which says what to draw: give --animate OUT.gif or --bracket OUT.png with it"),
        (["--animate", "out.gif", "--which", "frist"], "did you mean 'first'?"),
        (["--animate", "out.gif", "--bracket", "out.png", "--which", "first"], "battles.0 is no tournament"),
        (["--animate", "fights.json/out.gif"], "fights.json/out.gif: cannot be written: "),
        (["--animate", "/proc/nowhere/out.png"], "/proc/nowhere/out.png: cannot be written: "),
        (["--bracket", "folder.png"], "folder.png: cannot be written: Is a directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_places_and_choices(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    written(tmp_path)
    assert says in refused(capsys, "fights.json", *arguments)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["fights.json", "folder.png"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (bad_battle(a={"pattern": "Glider"}), "battles.0.a.pattern: 'Glider' is not a pattern: write one of Standard"),
        (bad_battle(a={"pattern": "Heavywieght"}), "'Heavywieght' is not a pattern: did you mean 'Heavyweight'?"),
        (bad_battle(b={**HEAVY, "energy": 300}), "battles.0.b.energy: is 300, outside 0..255"),
        (bad_battle(entropy=SEED[:-1]), "battles.0.entropy: has 63 characters: write 64 hex digits"),
        (bad_battle(entropy=SEED[:-2]), "battles.0.entropy: has 62 characters: write 64 hex digits"),
        (bad_battle(entropy="0x" + SEED[2:]), "battles.0.entropy: holds 'x', which is no hex digit: write 64 of"),
        (bad_battle(entropy="٣" * 64), "holds '٣', which is no hex digit"),
        (bad_battle(entropy=0), "battles.0.entropy: is 0: write 64 hex digits"),
        ({"tournaments": []}, "nothing to fight: give a list of battles, tournaments, soups with at least one entry"),
        ({"tournaments": [{"seed": SEED, "miners": []}]}, "tournaments.0.miners: is empty: list at least one glider"),
        ({"tournaments": [{"seed": SEED, "miners": [{}]}]}, "tournaments.0.miners.0: is empty: give pattern, energy"),
        ({"tournaments": [{"seed": SEED[1:], "miners": [LIGHT]}]}, "tournaments.0.seed: has 63 characters: write 64"),
        ("", "line 1, column 1: not JSON"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_bad_files(capsys: Capture, tmp_path: Path, content: Any, says: str) -> None:
    file = written(tmp_path, content)
    said = refused(capsys, file, "--animate", str(tmp_path / "out.gif"))
    assert said.startswith(f"error: {file}: ")
    assert says in said
    assert not (tmp_path / "out.gif").exists()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_vector_file_that_was_cut(capsys: Capture, root: Path, tmp_path: Path, share: float) -> None:
    whole = (root / "tests" / "golden" / "battles.json").read_text(encoding="utf-8")
    kept = whole[: int(share * len(whole))]
    said = refused(capsys, written(tmp_path, kept))
    assert "not JSON" in said
    assert "is the file cut short?" in said
    line = int(said.split("line ")[1].split(",")[0])
    assert line >= kept.rstrip().count("\n"), "it points at where the file ends"
