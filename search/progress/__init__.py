"""What a person sees of a run: lines and a live view at the terminal, events for a program, the status of any run."""

from search.progress.events import EventProgress, progress_of
from search.progress.lines import Progress
from search.progress.output import Output

__all__ = ["EventProgress", "Output", "Progress", "progress_of"]
