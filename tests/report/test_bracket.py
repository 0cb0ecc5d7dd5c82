"""A bracket shows every match with energies and rule, every bye, and the winner."""

from __future__ import annotations

import io
import re

import matplotlib.image
import pytest

from bitcell_sim import Glider, InputError, Pattern, Tournament, tournament
from bitcell_sim.chain.battle import BattleResult
from bitcell_sim.chain.tournament import tournament as plain
from bitcell_sim.report.bracket import rule

SHIPS = [Glider.of(pattern) for pattern in Pattern]
MIXED = [SHIPS[index] for index in (3, 0, 1, 2, 0, 0, 3)]
SEED = bytes(range(32))


def texts(made: Tournament, names: list[str] | None = None) -> list[str]:
    return [text.get_text() for text in made.plot.bracket(names).axes[0].texts]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 13])
def test_everything_is_in_it(count: int) -> None:
    held = tournament([SHIPS[index % 4] for index in range(count)], SEED)
    said = texts(held)
    assert said[0] == f"miner {held.winner} wins a tournament of {count}"
    assert SEED.hex()[:16] in said[1]
    assert said.count("bye") == len(held.byes)
    assert said.count("▸") == len(held.matches)
    assert said.count("final") == (count > 1)
    for miner, glider in enumerate(held.gliders):
        fought = sum(miner in (match.miner_a, match.miner_b) for match in held.matches)
        passed = sum(miner == bye for _, bye in held.byes)
        label = f"miner {miner}: {glider.pattern.value} {glider.energy}"
        assert said.count(label) == fought + passed + (miner == held.winner)
    energies = sorted(f"{energy:,}" for match in held.matches for energy in match.result.energy_final)
    assert sorted(text for text in said if re.fullmatch(r"[\d,]+", text)) == energies
    assert sum(text.startswith(("by ", "all equal")) for text in said) == len(held.matches)


def test_rules_are_named() -> None:
    said = texts(tournament(MIXED, SEED))
    assert said.count("by energy") == 4
    assert said.count("all equal: the first in the list") == 1
    assert sum(bool(re.fullmatch(r"by MII, [\d,]+ : [\d,]+", text)) for text in said) == 1
    (final,) = (match.result for match in tournament(MIXED, SEED).matches if match.final)
    assert final.mii is not None
    assert rule(final) == f"by MII, {final.mii[0]:,.0f} : {final.mii[1]:,.0f}"


def test_rules_that_hardly_ever_decide_are_named_too() -> None:
    fields = tournament(MIXED, SEED).matches[-1].result
    values = {name: getattr(fields, name) for name in BattleResult.__slots__}
    by_ted = BattleResult(**values | {"decided_by": "ted", "ted": (1.25, 0.5)})
    assert rule(by_ted) == "by TED, 1.25 : 0.5 bits"
    by_hash = BattleResult(**values | {"decided_by": "lex", "lex_hash": (1, 2)})
    assert rule(by_hash) == "by hash"


def test_lines_lead_from_match_to_match() -> None:
    """Two ways into each match that is not of the first round, one from each bye, one to the winner."""
    held = tournament(MIXED, SEED)
    axes = held.plot.bracket().axes[0]
    later = [match for match in held.matches if match.round_number > 0]
    assert len(axes.lines) == 2 * len(later) + 1
    boxes = [patch.get_bbox() for patch in axes.patches]
    assert len(boxes) == len(held.matches) + len(held.byes)
    assert not [(a, b) for a in boxes for b in boxes if a is not b and a.overlaps(b)]


def test_names_may_be_given() -> None:
    names = [f"node-{letter}" for letter in "abcdefg"]
    said = texts(tournament(MIXED, SEED), names)
    assert said[0].startswith("node-")
    assert not any("miner" in text for text in said)
    with pytest.raises(InputError, match="3 names for 7 miners: give one each"):
        tournament(MIXED, SEED).plot.bracket(names[:3])


def test_a_crowd_is_refused() -> None:
    assert tournament(SHIPS * 32, SEED).plot.bracket()
    with pytest.raises(InputError, match="129 miners cannot be read as one figure: at most 128"):
        tournament([SHIPS[0]] * 129, SEED).plot.bracket()


def test_letters_stay_inside_their_boxes() -> None:
    figure = tournament([SHIPS[2]] * 12, SEED).plot.bracket([f"ap-southeast-{place}" for place in range(12)])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [patch.get_window_extent() for patch in axes.patches]
    labels = [text.get_window_extent() for text in axes.texts if text.get_text().startswith("ap-southeast-1")]
    energies = [text.get_window_extent() for text in axes.texts if re.fullmatch(r"[\d,]+", text.get_text())]
    assert any(box.overlaps(label) for box in boxes for label in labels)
    assert not any(label.overlaps(energy) for label in labels for energy in energies)
    assert all(label.x1 <= figure.bbox.x1 for label in labels)


def test_a_tournament_that_draws_itself_is_the_tournament() -> None:
    held = tournament(MIXED, SEED)
    assert held == Tournament.of(plain(MIXED, SEED))
    assert held.gliders == tuple(MIXED)
    frame = held.frame
    assert len(frame) == 6
    assert frame["winner"].iloc[-1] == held.winner
    assert frame["pattern_a"].iloc[0] == "Heavyweight"
    assert tournament(SHIPS[:1], SEED).frame.empty
    assert held.matches[-1].result.plot.strip().axes


def test_it_is_transparent_and_the_same_each_time() -> None:
    figure = tournament(MIXED, SEED).plot.bracket()
    assert figure.png() == tournament(MIXED, SEED).plot.bracket().png()
    image = matplotlib.image.imread(io.BytesIO(figure.png()))
    assert image[0, 0, 3] == 0.0
