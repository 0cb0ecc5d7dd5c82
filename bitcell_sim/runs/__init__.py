"""Runs on disk, and many of them at once."""
