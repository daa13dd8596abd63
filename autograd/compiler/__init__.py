"""Traces become programs: the decorator, what it keeps per signature, and the entry that calls run through."""
