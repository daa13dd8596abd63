"""How many chunks a task is cut into, so that the threads of the pool can compute them side by side."""

from __future__ import annotations

from ..tasks.base import Task

STEP = 3_000_000  # a step of less cost than this is computed by one thread,
WORTH = 150_000  # and so is a task of a larger step that costs less than this
_CHUNK, _MOST = 100_000, 32  # cost of a chunk, and at most so many


def chunks_of(task: Task) -> int:
    """Tile the task when its cost exceeds WORTH: how many chunks that makes."""
    cost = task.cost()
    return min(_MOST, cost // _CHUNK) if cost >= WORTH else 1
