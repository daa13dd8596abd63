"""Speed and memory beside the peers: ``python -m tests.benchmarks [names...] [--rounds N] [--quick]``.

Every contestant runs in a process of its own (thread pools of several libraries in one process spin against each other
and falsify every figure), takes its turn round by round, and must first produce the same losses as the others.

    workloads.py    what is computed: data, first weights, definition; NumPy only
    contestants/    how each library computes it, one file per library
    worker.py       one contestant in one process, told what to do line by line
    runner.py       starts the workers, compares their results, interleaves their rounds
    figures.py      the ratios this project set out to reach
    report.py       the tables, and the files under outputs/bench
    picture.py      the same as one picture
"""
