"""Many jobs, by one engine: in this process, in processes beside it, on the machines of a Ray cluster; see README.md.

Knows nothing of faces and networks: what a job does is the caller's `Work`.
"""

from .engine import Outcome, Work, run_jobs
from .where import Local, Made, Ray, Where

__all__ = ["Local", "Made", "Outcome", "Ray", "Where", "Work", "run_jobs"]
