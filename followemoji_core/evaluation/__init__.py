"""How well it works, in numbers."""
