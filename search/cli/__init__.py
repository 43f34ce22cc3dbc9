"""The commands: python -m search run CONFIG (or short: python -m search CONFIG), confirm RUN_DIR, status RUN_DIR."""

from model.command import start
from search.cli import confirm, run, status
from search.cli.app import app

__all__ = ["app", "confirm", "main", "run", "status"]


def main() -> None:
    start(app, installed="digit-search")
