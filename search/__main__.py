"""python -m search: the commands of search.cli."""

import sys
from pathlib import Path

# `python -m` puts the working directory first, where a model.py of the user's would take the place of ours.
if __name__ == "__main__" and not sys.flags.safe_path and Path(sys.path[0]) != Path(__file__).parents[1]:
    del sys.path[0]

from search.cli import main

if __name__ == "__main__":
    main()
