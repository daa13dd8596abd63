"""Seven phases from an untrained network to experiments with trained ones, one module each.

Every module has TITLE, QUESTION and `run(options) -> Report`.  A phase needs no other to have run before: what it
builds on is computed again from the seed, and shared within one process.
"""

PHASES = (
    "phase_0_setup",
    "phase_1_forward",
    "phase_2_backprop",
    "phase_3_training",
    "phase_4_convergence",
    "phase_5_boundary",
    "phase_6_experiments",
)
