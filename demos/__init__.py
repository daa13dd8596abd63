"""Runnable demonstrations: `python -m demos` is a quick tour, `python -m demos --help` lists the rest."""
