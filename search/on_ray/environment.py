"""Settings of Ray and its workers that exist only as environment variables, and are set before Ray is imported.

Ray reads most of them on import, so this file must not import it.
"""

import os
import secrets
import sys
from pathlib import Path

OWN_TOKEN = secrets.token_hex(32)  # one for the whole process, since Ray reads it only once
SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "100000",  # Ray's own snapshots are never read back
    "TUNE_WARN_THRESHOLD_S": "1000",
    "TUNE_MAX_PENDING_TRIALS_PG": "1000",  # search/on_ray/searcher.py hands out no more than there is room for
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE": "1",  # or Ray repeats such a trial itself, uncounted by search.trials
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",  # a Tuner that is left at a second Ctrl-C would start another Ray
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` Ray would pack the working directory and ship it
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "GLOG_minloglevel": "3",
    "RAY_AUTH_MODE": "token",
}
OF_WORKERS = {  # what makes trainings fast, and their workers quiet
    # Threads that wait for each other spin for some microseconds, then sleep. If they spin longer, a busy machine slows
    # down up to ten times; if they sleep at once, two are little faster than one (benchmarks/README.md).
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "1000",
    # The C library keeps the memory of a batch for the next one, in one pool for all threads. Else it gives it back to
    # the system and gets it again, page by page, for a fifth of a training's time.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),  # the most that older C libraries take
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
    "PYTHONWARNINGS": "ignore",
}
PRIVATE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # has Ray listen on 127.0.0.1 alone, on Linux too
    "RAY_gcs_rpc_server_reconnect_timeout_s": "20",  # how long the agents of a killed driver's Ray remain
}


def set_environment(private: bool) -> None:
    """Set the environment variables of Ray and its workers, before Ray's import; those that the user has set stay.

    `private` is for a Ray of our own, otherwise the user's cluster is joined.
    """
    assert "ray" not in sys.modules or os.environ.get("RAY_AUTH_MODE"), (
        "Ray was imported before its environment was set"
    )
    if not _has_home():
        os.environ["HOME"] = os.devnull  # Ray can't be imported without; nothing is ever written there
    wanted = {**SETTINGS, **OF_WORKERS}
    if "OMP_WAIT_POLICY" in os.environ:
        del wanted["GOMP_SPINCOUNT"]  # it would take the place of the user's policy
    for key, value in wanted.items():
        os.environ.setdefault(key, value)
    if private:
        # Never the user's token: Ray's default one lies in a file, and a cluster's is known to others.
        os.environ.update(PRIVATE, RAY_AUTH_TOKEN=OWN_TOKEN)


def for_workers() -> dict[str, str]:
    """Return the variables that the workers of a cluster need too; those of a private Ray inherit all."""
    return {name: os.environ[name] for name in OF_WORKERS if name in os.environ}


def _has_home() -> bool:
    """Return whether this user has a home folder: in a container neither HOME nor an entry in passwd may be there."""
    try:
        Path.home()
    except RuntimeError:
        return False
    return True
