"""``python -m bitcell_sim``: the same as the command ``bitcell-sim``."""

from bitcell_sim.cli import main

if __name__ == "__main__":
    main()
