"""Drawn people, made here from numbers: portraits and driving clips whose landmarks are exact by construction."""

from .faces import draw_frames, draw_portrait, drive

__all__ = ["draw_frames", "draw_portrait", "drive"]
