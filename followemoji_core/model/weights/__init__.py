"""Weights files to networks."""
