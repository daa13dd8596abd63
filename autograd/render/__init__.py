"""Pictures of computations, drawn by Graphviz."""
from .engine import find_engine
from .picture import Picture, draw

__all__ = ["Picture", "draw", "find_engine"]
