"""What is there while machine code runs: compiling, threads, calling, files."""
