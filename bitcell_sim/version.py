"""Version of the package, for everything that stamps it on what it makes."""

__version__ = "0.1.0"
