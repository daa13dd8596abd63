"""Random programs, run eagerly and compiled: whatever compiles a step can be held to them.

``python -m tests.fuzz --programs 1000 --seed 0 --jobs 2 --record FILE`` runs programs over all operations, dtypes,
layouts and kinds of state (`write`), compares results, gradients, types and side effects (`compare` has the rule of
rounding), reduces what differs (`run`), and can be stopped and continued (`record`).  ``--show SEED`` prints one program.

`plain` makes small programs of two dtypes without objects, for tests of single passes and backends.
"""

from tests.fuzz.compare import close, same_bits
from tests.fuzz.plain import Program, mismatches, program

__all__ = ["Program", "close", "mismatches", "program", "same_bits"]
