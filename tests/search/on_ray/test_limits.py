"""What Ray can't run with is named in one line before anything starts, with a remedy."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from model.errors import ConfigError
from search.on_ray.limits import NEEDS, check_limits
from search.on_ray.private import _remedy
from tests.harness import environment, tiny


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need.option)
def test_a_limit_that_is_too_low_is_named_with_its_remedy(need: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    low = {entry.limit: entry.least * entry.unit - 1 if entry == need else resource.RLIM_INFINITY for entry in NEEDS}
    monkeypatch.setattr("resource.getrlimit", lambda limit: (low[limit], resource.RLIM_INFINITY))
    with pytest.raises(ConfigError, match=rf"^ulimit {need.option} \d+: .* raise it \(ulimit {need.option} "):  # type: ignore[attr-defined]
        check_limits()
    low |= {entry.limit: entry.least * entry.unit for entry in NEEDS}
    check_limits()


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ('ulimit -v 4000000; exec "$0" "$@"', "error: ulimit -v 4000000: "),
        ('ulimit -n 64; exec "$0" "$@"', "error: ulimit -n 64: "),
        ('exec "$0" -OO "$@"', "error: python -OO: "),
    ],
)
def test_a_search_that_can_not_run_ends_in_one_line(tmp_path: Path, shell: str, said: str) -> None:
    (tmp_path / "tiny.toml").write_text(tiny(trials=1, epochs=1))
    line = ["sh", "-c", shell, sys.executable, "-m", "search", "tiny.toml"]
    done = subprocess.run(line, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(said)


@pytest.mark.parametrize(
    "error", [BlockingIOError(11, "Resource temporarily unavailable"), RuntimeError("can't start new thread")]
)
def test_a_refused_thread_has_a_remedy_that_helps(error: Exception) -> None:
    assert "ulimit -u" in _remedy(error)
