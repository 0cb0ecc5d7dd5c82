"""Pictures of battles show what was fought: words, frames, cells, the same bytes each time."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from bitcell_sim import Battle, Glider, Pattern, fight
from bitcell_sim.chain.battle import BattleResult
from bitcell_sim.report.battle_pictures import PAPER, film, strip
from bitcell_sim.report.battle_story import Story, in_region
from bitcell_sim.report.battle_views import NIGHT, energy_colours
from bitcell_sim.report.charts import LabFigure

STANDARD, LIGHT, HEAVY = (
    Glider.of(pattern) for pattern in (Pattern.STANDARD, Pattern.LIGHTWEIGHT, Pattern.HEAVYWEIGHT)
)
COLLISION = hashlib.sha256(b"768").digest()
SHIP_BOXES = ((536, 398), (758, 398))  # where the film shows A's ship and B's, 30 cells of 7 pixels


def frames(gif: bytes) -> list[Image.Image]:
    image = Image.open(io.BytesIO(gif))
    found = []
    for number in range(image.n_frames):
        image.seek(number)
        found.append(image.convert("RGB"))
    return found


def texts(figure: LabFigure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def told(battle: BattleResult) -> list[tuple[int, str]]:
    story = Story.of(battle)
    return [(story.moments[event.index].step, event.text) for event in story.events]


def test_the_story_says_why_the_lighter_ship_wins() -> None:
    battle = fight(STANDARD, HEAVY, entropy=bytes(32))
    steps, words = zip(*told(battle), strict=True)
    assert words == (
        "Each ship starts in its owner's region and flies on by itself. After step 1,000 the energy in a region counts"
        " for the region's owner, whosever ship it is.",
        "B's ship has left B's region: it no longer counts for B.",
        "A's ship has left A's region: it no longer counts for A.",
        "B's ship drifts into A's region: from here it counts for A.",
        "A wins by energy, 2,080 to 0. B's ship (13 × 160) has drifted into A's region and counts for A; A's ship"
        " (5 × 100) has left both regions and counts for nobody.",
    )
    assert steps[0] == 0
    assert steps[-1] == 1000
    for step, region, enters in ((steps[1], 1, False), (steps[2], 0, False), (steps[3], 0, True)):
        held = [fight(STANDARD, HEAVY, entropy=bytes(32), steps=when).energy_raw[region] for when in (step - 1, step)]
        assert (held[0] > 0, held[1] > 0) == (not enters, enters)


def test_the_story_of_two_spaceships_names_both_drifts() -> None:
    *_, (_, end) = told(fight(LIGHT, HEAVY, entropy=bytes(range(32))))
    assert "before the fluctuation" in end
    assert "B's ship (13 × 160) has drifted into A's region and counts for A" in end
    assert "A's ship (9 × 120) has drifted into B's region and counts for B" in end


@pytest.mark.parametrize(
    ("battle", "says"),
    [
        (fight(STANDARD, STANDARD, entropy=bytes(32)), "equal, 0 to 0: pattern and position are too, so A wins as"),
        (
            fight(STANDARD, Glider.of(Pattern.STANDARD, 5, 5), entropy=bytes(32)),
            "wins by the smaller hash of seed, pattern and position",
        ),
        (fight(STANDARD, STANDARD, entropy=bytes(range(32)), history=True), "wins by MII, as more has changed in"),
        (fight(STANDARD, HEAVY, entropy=bytes(32), steps=50), "B's ship (13 × 160) is in its own region and counts"),
        (fight(STANDARD, HEAVY, entropy=COLLISION), "B's ship has broken up, and its pieces count where they lie"),
        (fight(LIGHT, HEAVY, entropy=bytes(32), steps=0), "no steps: it ends where it starts. B wins by energy"),
    ],
    ids=["all equal", "hash", "mii", "at home", "broken", "no steps"],
)
def test_the_last_words(battle: BattleResult, says: str) -> None:
    assert says in told(battle)[-1][1]


def test_a_ship_that_breaks_up_is_told_when_it_does() -> None:
    story = Story.of(fight(STANDARD, HEAVY, entropy=COLLISION))
    (event,) = [event for event in story.events if "B's ship has met something and is no ship any more." in event.text]
    assert story.moments[event.index].ships[1] is None
    assert story.moments[event.index - 1].ships[1] is not None
    assert story.caption(event.index) == event.text
    assert story.caption(event.index - 1) != event.text


def test_a_long_battle_is_sampled_and_ends_right() -> None:
    battle = fight(LIGHT, HEAVY, entropy=bytes(32), steps=30_001)
    story = Story.of(battle)
    assert len(story.moments) <= 4002
    assert story.moments[-1].step == 30_001
    assert story.moments[-1].energy_raw == battle.energy_raw
    for region in range(2):
        last = story.moments[-1]
        assert last.cells[in_region(last, region), 2].sum() == battle.energy_raw[region]


def test_the_film_shows_each_cell_of_both_ships() -> None:
    made = film(fight(STANDARD, HEAVY, entropy=bytes(32)))
    shown = frames(made.gif)
    assert len(shown) > 95
    assert len(made.gif) < 1_000_000
    top = np.round(255 * np.array(energy_colours()(1.0)[:3]))
    for (left, upper), cells in zip(SHIP_BOXES, (5, 13), strict=True):
        window = np.array(shown[-1].crop((left + 2, upper + 2, left + 208, upper + 208))).astype(int)
        ground = np.array([int(NIGHT[i : i + 2], 16) for i in (1, 3, 5)])
        lit = np.abs(window - ground).sum(axis=2) > 60
        assert lit.sum() == pytest.approx(49 * cells, rel=0.02)
        highest = np.abs(window[lit] - top).sum(axis=1) < 12
        assert highest.all() == (cells == 13)
    assert shown[0].getpixel((2, 2)) == tuple(int(PAPER[i : i + 2], 16) for i in (1, 3, 5))
    image = Image.open(io.BytesIO(made.gif))
    holds = []
    for number in range(image.n_frames):
        image.seek(number)
        holds.append(image.info["duration"])
    assert holds[0] > 3000
    assert holds[-1] > 5000
    assert sum(hold >= 2000 for hold in holds[1:-1]) == 3, "it stops at each of the three borders"
    assert 10_000 < sum(holds) < 60_000
    assert image.info["loop"] == 0


@pytest.mark.parametrize("steps", [0, 1, 6])
def test_short_battles_have_pictures_too(steps: int) -> None:
    battle = fight(STANDARD, HEAVY, entropy=bytes(range(32)), steps=steps)
    assert len(frames(film(battle).gif)) == steps + 1
    assert len([text for text in texts(strip(battle)) if text.startswith("step ")]) == min(5, steps + 1)


def test_the_same_battle_is_the_same_bytes() -> None:
    battle = fight(STANDARD, HEAVY, entropy=bytes(range(32)), steps=2)
    assert film(battle).gif == film(battle).gif
    assert strip(battle).png(72) == strip(battle).png(72)


def test_the_strip_has_five_moments_and_its_reason() -> None:
    figure = fight(STANDARD, HEAVY, entropy=bytes(32)).plot.strip()
    said = texts(figure)
    assert {text for text in said if text.startswith("step ")} == {
        *(f"step {step:,}" for step in (0, 250, 500, 750, 1000)),
        "step (one in 4 drawn)",
    }
    assert said.count("2,080") == 2, "in B's region at the start, in A's at the end"
    assert any("has drifted into A's region and counts for A" in text for text in said)
    assert any("energy of a cell" in text for text in said)
    image = Image.open(io.BytesIO(figure.png()))
    assert image.getpixel((0, 0))[3] == 0, "the page shows through"


def test_a_film_shows_itself_and_is_saved(tmp_path) -> None:  # type: ignore[no-untyped-def]
    made = fight(STANDARD, HEAVY, entropy=bytes(32), steps=2).plot.film()
    assert made._repr_html_().startswith('<img alt="battle" src="data:image/gif;base64,R0lGOD')
    made.save(tmp_path / "battle.gif")
    assert (tmp_path / "battle.gif").read_bytes() == made.gif


def test_a_battle_that_draws_itself_is_the_battle() -> None:
    from bitcell_sim.chain.battle import fight as plain

    result = plain(STANDARD, HEAVY, entropy=bytes(32))
    battle = fight(STANDARD, HEAVY, entropy=bytes(32))
    assert battle == Battle.of(result)
    assert battle.as_dict() == result.as_dict()
    assert (battle.a, battle.b, battle.steps) == (STANDARD, HEAVY, 1000)
