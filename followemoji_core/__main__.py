"""`python -m followemoji_core COMMAND`: see `commands`."""

import sys

try:
    from .commands import main
except KeyboardInterrupt:  # the imports take a moment
    print("\nStopped.", file=sys.stderr)
    sys.exit(130)

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
