"""Windows on a battle: the torus with the ways of the ships, each region, each ship, and the energies over time.

A view draws on its axes once; ``show`` moves what moves to a moment of the story. Live cells are bright on a dark
ground, the ground of a grid being part of the picture and not of the page around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, to_hex, to_rgb
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray

from bitcell_sim.chain.battle_replay import NOBODY, Moment
from bitcell_sim.kernels.battle_rules import REGION_LEFT, REGION_SIDE, REGION_TOP
from bitcell_sim.kernels.ships import PERIOD, SIDE
from bitcell_sim.report.battle_story import PLAYERS, Story, in_region
from bitcell_sim.report.charts import BLUE, GRID, INK, ORANGE

NIGHT, DAY = "#10151c", "#f4f6f8"
PLAYER_COLOURS = (BLUE, ORANGE)
SHIP_WINDOW = 30
SHORT_BATTLE = 40
ENERGY_SHADES = 32
TRAIL_STRENGTH = 0.62

Pixels = NDArray[np.uint8]


def mixed(colour: str, ground: str, strength: float) -> str:
    """Colour laid on a ground with some strength, as hex digits."""
    red, green, blue = strength * np.array(to_rgb(colour)) + (1.0 - strength) * np.array(to_rgb(ground))
    return to_hex((red, green, blue))


def _bytes_of(*colours: str) -> NDArray[np.uint8]:
    return np.round(255.0 * np.array([to_rgb(colour) for colour in colours])).astype(np.uint8)


TRAILS = _bytes_of(*(mixed(colour, NIGHT, TRAIL_STRENGTH) for colour in (*PLAYER_COLOURS, GRID)))
GROUND, LIVE = _bytes_of(NIGHT, DAY)


def energy_colours() -> Colormap:
    """Colours of energies, from low to high, all of them bright on the dark ground; dead cells are the ground."""
    shades = colormaps["plasma"](np.linspace(0.25, 1.0, ENERGY_SHADES))
    return ListedColormap(shades, name="energy").with_extremes(under=NIGHT)


def _dark(axes: Axes, border: str, width: float) -> None:
    axes.set_facecolor(NIGHT)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=border, linewidth=width)


def _headed(axes: Axes, title: str, colour: str) -> Text:
    """Write a title over a window, at the left; the text at the right is given back, to be set later."""
    axes.set_title(title, loc="left", color=colour, fontsize="medium", pad=3)
    return axes.set_title("", loc="right", color=INK, fontsize="medium", pad=3)


def _cells_image(axes: Axes, side: int, top_energy: int) -> AxesImage:
    return axes.imshow(
        np.zeros((side, side)),
        cmap=energy_colours(),
        vmin=1,
        vmax=top_energy,
        interpolation="nearest",
        extent=(0, side, side, 0),
    )


def top_energy(story: Story) -> int:
    """Highest energy of any cell; none ever rises above those at the start, as births average."""
    return max(2, int(story.moments[0].cells[:, 2].max()))


class View(Protocol):
    """A window that can be moved to any later moment.

    Attributes
    ----------
    moving : sequence of Artist
        What has to be drawn anew for each moment, from back to front.
    """

    moving: Sequence[Artist]

    def show(self, index: int) -> None:
        """Draw a moment of the story, by its number."""


class TorusView:
    """The whole torus: regions framed, the way of each ship in its player's colour, everything else grey.

    Parameters
    ----------
    axes : Axes
        Where to draw, square.
    story : Story
        The battle.
    coarse : int
        Cells of the torus a pixel of the picture stands for, in each direction.
    """

    def __init__(self, axes: Axes, story: Story, coarse: int) -> None:
        self._story, self._coarse = story, coarse
        self._done = 0
        self._trail: Pixels = np.full((SIDE // coarse, SIDE // coarse, 3), GROUND, np.uint8)
        _dark(axes, GRID, 0.8)
        axes.set_xlim(0, SIDE)
        axes.set_ylim(SIDE, 0)
        self._image = axes.imshow(self._trail, extent=(0, SIDE, SIDE, 0), interpolation="nearest")
        frames: list[Artist] = []
        for left, name, colour in zip(REGION_LEFT, PLAYERS, PLAYER_COLOURS, strict=True):
            frame = Rectangle((left, REGION_TOP), REGION_SIDE, REGION_SIDE, fill=False, edgecolor=colour, linewidth=1.4)
            style: Any = {"color": colour, "ha": "center", "va": "top", "fontsize": "small"}
            words = axes.text(left + REGION_SIDE / 2, REGION_TOP + REGION_SIDE + 8, f"{name}'s region", **style)
            frames += [axes.add_patch(frame), words]
        self._marks = [
            axes.text(0, 0, name, color=DAY, ha="center", va="center", weight="bold", clip_on=True) for name in PLAYERS
        ]
        for mark, colour in zip(self._marks, PLAYER_COLOURS, strict=True):
            mark.set_bbox({"boxstyle": "circle,pad=0.15", "facecolor": colour, "edgecolor": "none"})
        self.moving: Sequence[Artist] = [self._image, *frames, *self._marks]

    def show(self, index: int) -> None:
        """Draw all ways up to a moment, and what lives at it; moments must not go back."""
        for moment in self._story.moments[self._done : index + 1]:
            for owner in (NOBODY, 0, 1):
                self._dot(self._trail, moment, moment.owners == owner, TRAILS[owner])
        self._done = index + 1
        moment = self._story.moments[index]
        picture = self._trail.copy()
        self._dot(picture, moment, np.ones(len(moment.cells), np.bool_), LIVE)
        self._image.set_data(picture)
        for mark, ship in zip(self._marks, moment.ships, strict=True):
            mark.set_visible(ship is not None)
            if ship is not None:
                mark.set_position((ship[0], ship[1] - 40 if ship[1] > 80 else ship[1] + 40))

    def _dot(self, picture: Pixels, moment: Moment, chosen: NDArray[np.bool_], colour: NDArray[np.uint8]) -> None:
        cells = moment.cells[chosen]
        picture[cells[:, 1] // self._coarse, cells[:, 0] // self._coarse] = colour


class RegionView:
    """One region, cell by cell, coloured by energy, with what it holds.

    Parameters
    ----------
    axes : Axes
        Where to draw, square.
    story : Story
        The battle.
    region : int
        0 for A's, 1 for B's.
    word : str
        What stands before the energy.
    """

    def __init__(self, axes: Axes, story: Story, region: int, word: str = "") -> None:
        self._story, self._region, self._word = story, region, word
        _dark(axes, PLAYER_COLOURS[region], 1.6)
        self.image = _cells_image(axes, REGION_SIDE, top_energy(story))
        self._energy = _headed(axes, f"{PLAYERS[region]}'s region", PLAYER_COLOURS[region])
        self._energy.set_fontweight("bold")
        self.moving: Sequence[Artist] = [self.image, self._energy]

    def show(self, index: int) -> None:
        """Draw a moment."""
        moment = self._story.moments[index]
        cells = moment.cells[in_region(moment, self._region)]
        grid = np.zeros((REGION_SIDE, REGION_SIDE))
        grid[cells[:, 1] - REGION_TOP, cells[:, 0] - REGION_LEFT[self._region]] = cells[:, 2]
        self.image.set_data(grid)
        self._energy.set_text(f"{self._word}{moment.energy_raw[self._region]:,}")


class ShipView:
    """A small window that flies with a ship; where it broke up, the window stays.

    Parameters
    ----------
    axes : Axes
        Where to draw, square.
    story : Story
        The battle.
    player : int
        0 for A's, 1 for B's.
    """

    def __init__(self, axes: Axes, story: Story, player: int) -> None:
        self._story, self._player = story, player
        glider = story.battle.b if player else story.battle.a
        _dark(axes, PLAYER_COLOURS[player], 1.6)
        self._image = _cells_image(axes, SHIP_WINDOW, top_energy(story))
        title = f"{PLAYERS[player]}'s {glider.pattern.value}"
        self._place = _headed(axes, title, PLAYER_COLOURS[player])
        self._last = story.moments[0].ships[player] or (0, 0)
        self.moving: Sequence[Artist] = [self._image, self._place]

    def show(self, index: int) -> None:
        """Draw a moment."""
        moment = self._story.moments[index]
        ship = moment.ships[self._player]
        self._last = ship or self._last
        corner = np.array(self._last) - SHIP_WINDOW // 2
        places = (moment.cells[:, :2] - corner) % SIDE
        near = (places < SHIP_WINDOW).all(axis=1)
        grid = np.zeros((SHIP_WINDOW, SHIP_WINDOW))
        grid[places[near, 1], places[near, 0]] = moment.cells[near, 2]
        self._image.set_data(grid)
        self._place.set_text(f"at {ship[0]}, {ship[1]}" if ship else "broken up")


class EnergyView:
    """Energy in both regions over the steps; what is to come is faint.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    story : Story
        The battle.

    Notes
    -----
    A ship has more cells in some of its four phases than in others. Battles of more than 40 steps are drawn every
    fourth step, those in the phase of the last step, which is the one that decides.
    """

    def __init__(self, axes: Axes, story: Story) -> None:
        self._story, self.axes = story, axes
        last = len(story.moments) - 1
        stride = PERIOD if SHORT_BATTLE < last == story.battle.steps else 1
        self._indexes = np.arange(last % stride, last + 1, stride)
        self._steps = np.array([story.moments[index].step for index in self._indexes])
        energies = np.array([story.moments[index].energy_raw for index in self._indexes])
        self._energies = (energies[:, 0], energies[:, 1])
        self._lines = []
        for values, name, colour, dashes in zip(self._energies, PLAYERS, PLAYER_COLOURS, ("-", "--"), strict=True):
            axes.plot(self._steps, values, color=colour, alpha=0.3, linewidth=1.2)
            line: Any = {"color": colour, "linewidth": 2, "marker": "o", "markersize": 5, "markevery": [-1]}
            self._lines += axes.plot([0], [0], dashes, label=f"in {name}'s region", **line)
        self._now = axes.axvline(0, color=INK, linewidth=1)
        axes.set_xlim(0, max(1, story.battle.steps))
        axes.set_ylim(0, 1.1 * max(1, energies.max()))
        every = self._steps[1] - self._steps[0] if last else 1
        axes.set_xlabel(f"step{f' (one in {every} drawn)' if every > 1 else ''}", labelpad=1)
        axes.set_ylabel("energy")
        axes.grid(color=GRID, alpha=0.25, linewidth=0.7)
        axes.legend(loc="upper center", ncols=2)
        self.moving: Sequence[Artist] = [*self._lines, self._now]

    def show(self, index: int) -> None:
        """Draw a moment."""
        until = max(1, int(np.searchsorted(self._indexes, index, side="right")))
        for line, energies in zip(self._lines, self._energies, strict=True):
            line.set_data(self._steps[:until], energies[:until])
        self._now.set_xdata([self._story.moments[index].step] * 2)
