"""A battle as a moving picture and as a strip of still ones."""

from __future__ import annotations

import base64
import io
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image

from bitcell_sim.chain.battle import BattleResult
from bitcell_sim.report.battle_story import PLAYERS, Story
from bitcell_sim.report.battle_views import (
    DAY,
    ENERGY_SHADES,
    NIGHT,
    PLAYER_COLOURS,
    EnergyView,
    RegionView,
    ShipView,
    TorusView,
    View,
    energy_colours,
    mixed,
)
from bitcell_sim.report.charts import GRID, INK, STYLE, LabFigure

DPI = 100
FRAMES = 100
PAUSES_MAX = 12
FRAME_MS, PAUSE_MS, FIRST_MS, LAST_MS = 70, 2000, 4000, 6000
STRIP_PICTURES = 5
PAPER = "#ffffff"
RAMP = 14


@dataclass(frozen=True)
class Film:
    """A moving picture that shows itself in a notebook.

    Parameters
    ----------
    gif : bytes
        The file.
    """

    gif: bytes

    def save(self, path: str | Path) -> None:
        """Write the file."""
        Path(path).write_bytes(self.gif)

    def _repr_html_(self) -> str:
        return f'<img alt="battle" src="data:image/gif;base64,{base64.b64encode(self.gif).decode()}">'


def film(battle: BattleResult) -> Film:
    """Draw a battle as an animated GIF of some 20 seconds: the same bytes for the same battle.

    Parameters
    ----------
    battle : BattleResult
        The battle; it is fought again for the picture.

    Notes
    -----
    A hundred moments at equal distances, and every moment at which a ship crosses the border of a region, which holds
    long enough to be read.
    """
    story = Story.of(battle)
    last = len(story.moments) - 1
    pauses = {event.index for event in story.events[:PAUSES_MAX]}
    shown = sorted({round(last * number / FRAMES) for number in range(FRAMES + 1)} | pauses | {last})
    holds = [PAUSE_MS if index in pauses else FRAME_MS for index in shown]
    holds[0], holds[-1] = FIRST_MS, LAST_MS
    with rc_context(STYLE | {"figure.facecolor": PAPER, "figure.dpi": DPI}):
        stage, palette = _Stage(story), _palette()
        frames = [stage.picture(index).quantize(palette=palette, dither=Image.Dither.NONE) for index in shown]
    buffer = io.BytesIO()
    options: dict[str, Any] = {"append_images": frames[1:], "duration": holds, "loop": 0, "optimize": True}
    frames[0].save(buffer, format="GIF", save_all=True, **options)
    return Film(buffer.getvalue())


def _palette() -> Image.Image:
    """Every colour of the film, and the shades between that letters and lines have at their edges."""
    on_paper, on_night = (*PLAYER_COLOURS, INK, "black"), (*PLAYER_COLOURS, GRID, DAY)
    ramps = [(name, PAPER) for name in on_paper] + [(name, NIGHT) for name in on_night]
    shades = [to_rgb(mixed(name, ground, step / RAMP)) for name, ground in ramps for step in range(RAMP + 1)]
    energies = [colour[:3] for colour in energy_colours()(np.arange(ENERGY_SHADES))]
    colours = dict.fromkeys(tuple(round(255 * part) for part in colour) for colour in (*shades, *energies))
    image = Image.new("P", (1, 1))
    image.putpalette([part for colour in colours for part in colour])
    return image


class _Page:
    """A figure on which everything has its place in pixels, from the upper left corner, so that cells stay sharp."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = LabFigure(figsize=(width / DPI, height / DPI), dpi=DPI)

    def window(self, left: int, top: int, width: int, height: int) -> Axes:
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box)

    def text(self, left: int, top: int, words: str, **style: Any) -> Text:
        return self.figure.text(left / self.width, 1 - top / self.height, words, va="top", **style)

    def energy_bar(self, region: RegionView, axes: Axes) -> None:
        self.figure.colorbar(region.image, cax=axes).set_label("energy of a cell")


class _Stage:
    """The film's page: what never moves is drawn once, what moves is drawn onto it frame by frame."""

    def __init__(self, story: Story) -> None:
        self._story = story
        page = _Page(1088, 800)
        self._figure = page.figure
        canvas: Any = FigureCanvasAgg(page.figure)  # its methods have no types
        page.text(8, 10, versus(story.battle), size=14, weight="bold")
        self._clock = page.text(1080, 10, "", size=14, ha="right")
        self._caption = page.text(8, 38, "", size=11.5, color="black")
        page.text(8, 82, "the torus, 1024 × 1024: left edge joins right, top joins bottom")
        regions = [RegionView(page.window(536 + 276 * r, 98, 268, 268), story, r, "energy ") for r in range(2)]
        ships = [ShipView(page.window(536 + 222 * p, 398, 210, 210), story, p) for p in range(2)]
        page.energy_bar(regions[0], page.window(996, 413, 14, 180))
        torus = TorusView(page.window(8, 98, 512, 512), story, 2)
        energies = EnergyView(page.window(76, 640, 988, 112), story)
        self._views: list[View] = [torus, *regions, *ships, energies]
        self._moving = [self._clock, *(artist for view in self._views for artist in view.moving)]
        for artist in (self._caption, *self._moving):
            artist.set_animated(True)
        canvas.draw()
        self._canvas, self._bare = canvas, canvas.copy_from_bbox(self._figure.bbox)
        self._still = self._bare

    def picture(self, index: int) -> Image.Image:
        """Draw a moment."""
        for view in self._views:
            view.show(index)
        self._clock.set_text(f"step {self._story.moments[index].step:,} of {self._story.battle.steps:,}")
        caption = textwrap.fill(self._story.caption(index), 135)
        if caption != self._caption.get_text():
            self._caption.set_text(caption)
            self._canvas.restore_region(self._bare)
            self._figure.draw_artist(self._caption)
            self._still = self._canvas.copy_from_bbox(self._figure.bbox)
        self._canvas.restore_region(self._still)
        for artist in self._moving:
            self._figure.draw_artist(artist)
        return Image.fromarray(np.asarray(self._canvas.buffer_rgba())[..., :3].copy())


def versus(battle: BattleResult) -> str:
    """Who fights whom, with which energy a cell."""
    players = zip(PLAYERS, (battle.a, battle.b), strict=True)
    return "   against   ".join(f"{name}: {who.pattern.value}, energy {who.energy}" for name, who in players)


def strip(battle: BattleResult) -> LabFigure:
    """Draw a battle as five pictures from the start to the end, each with both regions, over the energies.

    Parameters
    ----------
    battle : BattleResult
        The battle; it is fought again for the picture.
    """
    story = Story.of(battle)
    last = len(story.moments) - 1
    shown = sorted({round(last * number / (STRIP_PICTURES - 1)) for number in range(STRIP_PICTURES)})
    with rc_context(STYLE):
        page = _Page(1436, 718)
        page.text(10, 10, versus(battle), size=14, weight="bold")
        page.text(10, 38, textwrap.fill(story.caption(last), 175), size=11)
        for place, index in enumerate(shown):
            left = 10 + 272 * place
            page.text(left, 84, f"step {story.moments[index].step:,}", weight="bold")
            regions = [RegionView(page.window(left + 130 * r, 384, 126, 126), story, r) for r in range(2)]
            views: list[View] = [TorusView(page.window(left, 104, 256, 256), story, 4), *regions]
            for view in views:
                view.show(index)
        page.energy_bar(regions[0], page.window(10 + 272 * len(shown), 394, 12, 106))
        energies = EnergyView(page.window(76, 546, 1290, 124), story)
        energies.show(last)
        for index in shown:
            energies.axes.axvline(story.moments[index].step, color=INK, linestyle=":", linewidth=1)
    return page.figure
