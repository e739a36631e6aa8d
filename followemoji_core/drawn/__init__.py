"""Endless drawn people for training and measuring: landmarks, pose and cross-reenactment exact by construction."""

from .acting import Acting
from .animals import Animal, paint_animal
from .painting import paint
from .people import Person

__all__ = ["Acting", "Animal", "Person", "paint", "paint_animal"]
