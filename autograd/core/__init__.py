"""The engine alone: records of operations, the tape, backward passes and tensors."""
