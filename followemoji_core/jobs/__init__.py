"""Many jobs, by one engine: in this process, in processes beside it, on the machines of a Ray cluster; see README.md.

Knows nothing of faces and networks: what a job does is the caller's `Work`.
"""

from .doing import Answer, error_of
from .engine import Outcome, Team, Work, gather, run_jobs
from .where import Local, Made, Ray, Where

__all__ = ["Answer", "Local", "Made", "Outcome", "Ray", "Team", "Where", "Work", "error_of", "gather", "run_jobs"]
