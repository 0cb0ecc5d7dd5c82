"""Real tools as judges: the only room that starts programs."""
