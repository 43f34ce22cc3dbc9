"""Where a search is started: among the user's own files, on borrowed CPUs, with odd variables, into a closed pipe."""

import os
import subprocess
import sys
from pathlib import Path

from tests.harness import command, environment, records, tiny

TRAP = "raise SystemExit('a file of the user was imported in place of ours')\n"
# As the installed commands start: their first place for imports is their own folder.
SCRIPT = "import sys; sys.path[0] = {place!r}; from {module} import main; main()"


def set_traps(here: Path) -> None:
    """Write modules of the user's that are named as packages of ours are."""
    for name in ("model", "analysis", "torch", "ray"):
        (here / f"{name}.py").write_text(TRAP)


def test_a_search_among_files_named_as_ours_on_one_of_the_cpus(tiny_root: Path, tmp_path: Path) -> None:
    set_traps(tmp_path)
    (tmp_path / "search.py").write_text(TRAP)
    (tmp_path / "tiny.toml").write_text(tiny(trials=2, epochs=2))
    (tmp_path / "bin").mkdir()
    line = [sys.executable, "-c", SCRIPT.format(place=str(tmp_path / "bin"), module="search.__main__")]
    line += ["tiny.toml", "--data", str(tiny_root)]
    one = min(os.sched_getaffinity(0))
    done = subprocess.run(
        line, cwd=tmp_path, env=environment(CUDA_VISIBLE_DEVICES="-1"), capture_output=True, text=True, timeout=300,
        preexec_fn=lambda: os.sched_setaffinity(0, {one}),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("1 machine, 1 CPU, no GPU")
    assert [record.state for record in records(tmp_path / "runs" / "tiny")] == ["complete", "complete"]


def test_commands_by_module_among_files_named_as_ours(tmp_path: Path) -> None:
    set_traps(tmp_path)
    (tmp_path / "tiny.toml").write_text("[search]\ntrials = 0\n")
    for module, words in (("search", ["tiny.toml"]), ("search", ["confirm", "none"])):
        done = command(tmp_path, *words, module=module)
        assert (done.returncode, done.stderr[:7]) == (2, "error: "), done.stderr
    (tmp_path / "analysis.py").unlink()
    (tmp_path / "search.py").write_text(TRAP)
    done = command(tmp_path, "none", module="analysis")
    assert (done.returncode, done.stderr[:7]) == (2, "error: "), done.stderr


def test_a_search_whose_output_is_closed_goes_on_to_its_end(tiny_root: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(tiny(trials=2, epochs=2))
    line = [sys.executable, "-m", "search", "tiny.toml", "--data", str(tiny_root)]
    with subprocess.Popen(
        line, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        said = process.communicate(timeout=300)[1].splitlines()
    assert process.returncode == 0, said
    assert said == ["standard output is lost (nobody reads it any more): the search goes on without it"]
    assert (tmp_path / "runs" / "tiny" / "report" / "index.html").exists()
    with Path("/dev/full").open("w") as full:
        again = [*line, "--resume"]
        done = subprocess.run(
            again, cwd=tmp_path, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=300
        )
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert "No space left on device): the search goes on without it" in done.stderr
