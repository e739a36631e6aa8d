"""Schedules, guidance, windows and the sampling loop."""
