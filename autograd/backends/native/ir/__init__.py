"""LLVM's text: values, blocks and elementary functions."""
