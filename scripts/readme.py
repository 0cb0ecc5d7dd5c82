"""Put the scorecard that the committed program prints into README.md, and its figure beside it: ``make readme``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bitcell_sim import Scorecard

BEGIN, END = "<!-- scorecard:begin -->", "<!-- scorecard:end -->"


def main(scorecard: Path, root: Path) -> None:
    """Fill README.md from a scorecard in JSON.

    Parameters
    ----------
    scorecard, root : Path
        What ``bitcell-sim verify --json`` wrote, and the project.
    """
    card = Scorecard(json.loads(scorecard.read_text(encoding="utf-8")))
    readme = root / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{card.markdown().strip()}\n{END}{after}", encoding="utf-8")
    figure = root / "docs" / "figures" / "scorecard.png"
    figure.parent.mkdir(parents=True, exist_ok=True)
    card.plot().savefig(figure, dpi=144)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).resolve().parent.parent)
