"""The server of the drawing page answers its own page alone, on this machine alone, and ends when it is told to."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import model.picture
from model.classify import look
from model.draw import __main__ as command
from model.draw import server
from model.export import Export, read_export
from tests.harness import environment
from tests.model.draw.conftest import served
from tests.model.drawings import Save, seven

EVIL = "evil.example"


@pytest.fixture
def export(folder: Path) -> Export:
    """A network that knows nothing."""
    return read_export(folder)


def ask(address: str, method: str, path: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
    """Send a request with its own Host and Origin, unless `headers` has others; an empty one is left out."""
    host = address.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    given = {"Host": host, "Origin": address, "Content-Length": str(len(body)), **headers}
    for name, value in given.items():
        if value:
            connection.putheader(name, value)
    connection.endheaders(body)
    return connection.getresponse()


def answer(address: str, picture: bytes) -> Any:
    return json.load(ask(address, "POST", "/answer", picture))


@pytest.mark.parametrize("path", ["/", "/draw.js", "/answer"])
def test_other_names_of_this_address_are_refused(export: Export, path: str) -> None:
    method = "POST" if path == "/answer" else "GET"
    with served(export) as address:
        port = address.rpartition(":")[2]
        for host in (EVIL, f"{EVIL}:{port}", f"127.0.0.1.{EVIL}:{port}", f"localhost.{EVIL}"):
            for origin in (address, f"http://{host}"):
                assert ask(address, method, path, Host=host, Origin=origin).status == 400
        assert ask(address, method, path, Host=f"localhost:{port}", Origin=f"http://localhost:{port}").status == 200


def test_pages_of_other_origins_are_refused(export: Export) -> None:
    with served(export) as address:
        port = address.rpartition(":")[2]
        others = ["", "null", f"http://{EVIL}", f"http://{EVIL}:{port}", f"https://127.0.0.1:{port}"]
        for origin in [*others, "http://127.0.0.1:1", f"http://localhost:{port}", f"{address}.{EVIL}", f"{address}/"]:
            assert ask(address, "POST", "/answer", Origin=origin).status == 403, origin
        assert ask(address, "GET", "/answer").status == 405
        assert ask(address, "POST", "/answer").status == 200


def test_no_page_may_frame_this_one_or_bring_code_into_it(export: Export) -> None:
    with served(export) as address:
        policy = ask(address, "GET", "/").headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"


def test_an_answer_is_the_scripts_with_what_the_network_saw(export: Export, save: Save) -> None:
    with served(export) as address:
        found = answer(address, save(seven()).read_bytes())
    assert sum(found["probabilities"]) == pytest.approx(1)
    assert found["probability"] == max(found["probabilities"]) == found["probabilities"][found["digit"]]
    assert found["error"] is None
    assert [len(row) for row in found["seen"]] == [28] * 28
    assert max(map(max, found["seen"])) == 255


def test_what_is_too_large_is_refused_as_a_file_is(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (model.picture, server):
        monkeypatch.setattr(module, "MAX_BYTES", 1000)
    kept = []
    monkeypatch.setattr(server, "look", lambda picture, export: kept.append(len(picture)) or look(picture, export))
    with served(export) as address:
        assert "not a readable picture" in answer(address, bytes(1000))["error"]
        for size in (1001, 3_000_000):
            found = answer(address, bytes(size))
            assert found["error"] == "has more than 1,000 bytes; save a smaller picture"
            assert found["seen"] is None
    assert max(kept) < 500_000  # what comes after is read and let go


def test_names_of_classes_are_text_and_a_weak_network_is_told(export: Export) -> None:
    names, origin = [*"012345678", "<b>nine</b>"], {"dataset": "uci-digits"}
    with served(replace(export, classes=names, provenance=origin)) as address:
        page = ask(address, "GET", "/").read().decode()
    assert '<th scope="row">&lt;b&gt;nine&lt;/b&gt;</th>' in page
    assert "learned from the small UCI digits" in page


@pytest.fixture
def running(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """The command, in the folder above the runs/ that holds an export."""
    line, pipe = [sys.executable, "-m", "model.draw", "--no-browser"], subprocess.PIPE
    with subprocess.Popen(
        line, cwd=folder.parents[2], env=environment(), stdout=pipe, stderr=pipe, text=True
    ) as process:
        yield process
        process.kill()


def test_the_command_listens_on_this_machine_alone_and_ends_on_ctrl_c(running: "subprocess.Popen[str]") -> None:
    assert running.stdout
    told = running.stdout.readline()
    assert "runs/demo/export" in told  # the newest
    address = told.split()[0]
    assert ask(address, "GET", "/").status == 200
    for other in ("127.0.0.2", "::1"):
        with pytest.raises(OSError, match="refused|unreachable|Cannot assign|not supported"):
            socket.create_connection((other, int(address.rpartition(":")[2])), timeout=5)
    running.send_signal(signal.SIGINT)
    _, complaints = running.communicate(timeout=60)
    assert (running.returncode, complaints) == (130, "")


@pytest.mark.parametrize("words", [[], ["--no-browser"]])
def test_a_browser_is_opened_unless_it_is_not_wanted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    opened: list[str] = []
    done = threading.Event()

    class Ended:
        def run(self, sockets: list[socket.socket]) -> None:
            assert done.wait(60 if not words else 0) or words

    def note(address: str) -> None:
        opened.append(address)
        done.set()

    monkeypatch.setattr("webbrowser.open", note)
    monkeypatch.setattr(server, "web_server", lambda _: Ended())
    result = CliRunner().invoke(command.app, [*words, "--model", str(folder)])
    assert result.exit_code == 130  # as for Ctrl-C, which alone ends the server
    assert opened == ([] if words else [result.stdout.split()[0]])


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_what_is_not_installed_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    code = f"import sys; sys.modules['{missing}'] = None; from model.draw.__main__ import main; main()"
    run = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr == f"error: model.draw: needs {missing}, which is not installed; pip install '.[draw]'\n"
