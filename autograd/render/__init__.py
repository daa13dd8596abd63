"""Pictures of computations, drawn by Graphviz."""
from .animate import animate
from .engine import find_engine
from .gif import write_gif
from .picture import Picture, draw

__all__ = ["Picture", "animate", "draw", "find_engine", "write_gif"]
