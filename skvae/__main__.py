"""Entry point of ``python -m skvae``, which is the same as the command ``skvae``."""

import sys

from skvae.cli import main

if __name__ == "__main__":
    sys.exit(main())
