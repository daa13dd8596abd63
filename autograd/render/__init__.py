"""Pictures of computations, drawn by Graphviz."""

from . import panels
from .animate import animate
from .engine import find_engine
from .explorer import Exploration, explore
from .gif import write_gif
from .picture import Picture, draw

__all__ = ["Exploration", "Picture", "animate", "draw", "explore", "find_engine", "panels", "write_gif"]
