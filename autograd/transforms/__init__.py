"""Functions of functions: gradients, products with Jacobians, batches, checkpoints."""
