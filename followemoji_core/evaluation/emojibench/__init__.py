"""EmojiBench: any method of portrait animation, measured by the paper's protocol (5.2, 5.3)."""
