"""Models and scenarios: what may be written, where it is found, and what is wrong with it."""
