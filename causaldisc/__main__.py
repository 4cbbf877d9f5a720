"""Run the command line with ``python -m causaldisc``."""

import sys

from causaldisc.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
