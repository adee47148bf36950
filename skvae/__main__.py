"""``python -m skvae`` is the command ``skvae``."""

import sys

from skvae.cli import main

if __name__ == "__main__":
    sys.exit(main())
