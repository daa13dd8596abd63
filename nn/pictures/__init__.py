"""Pictures of networks and of their training: diagrams, plots, animations and pages to walk through.

Nothing here is loaded before it is asked for, matplotlib least of all.
"""
