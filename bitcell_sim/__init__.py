"""bitcell_sim: a network simulator and discrete-event performance lab for the BitCell RC3 mesh."""

__version__ = "0.1.0"
