"""The graph program: what a traced function computes, one equation per operation."""

from .graph import Eqn, Graph, Literal, Var, verify
from .trace import Trace, trace
from .tracer import Tracer

__all__ = ["Eqn", "Graph", "Literal", "Trace", "Tracer", "Var", "trace", "verify"]
