"""How the networks are trained (paper 4.2, 4.3, 5.1)."""
