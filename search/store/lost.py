"""What stops a run though nothing is wrong with its trials: a full disk, a lost database or object store."""

from pathlib import Path

from model.errors import causes, is_full
from search.store.database_errors import what_is_lost
from search.store.object_store import StoreError


def stop_reason(error: BaseException, run_dir: Path) -> str | None:
    """Return why a run must stop, and a remedy, if `error` is such a fault; None if it is an error of another kind."""
    if lost := what_is_lost(error):
        return lost
    if any(isinstance(cause, StoreError) for cause in causes(error)):
        return f"the object store does not answer ({error}); check that it can be reached"
    if is_full(error):
        return f"the disk of {run_dir} is full; free some room"
    return None
