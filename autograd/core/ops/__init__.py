"""The operations: one record per primitive, by family; composites have no rules of their own."""
