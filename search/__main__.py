"""python -m search: the commands of search.cli."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Not the working directory, which -m puts there: a model.py of the user's would take the place of ours.
    sys.path[0] = str(Path(__file__).parents[1])

from search.cli import main

if __name__ == "__main__":
    main()
