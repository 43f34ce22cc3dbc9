"""Which folder of a run owns the checkpoints that lie outside of it: a copy of the folder must not delete them.

Beside the checkpoints lies owner.txt with the folder's path, its host, its inode, and a random token that each driver
renews there and in the run's folder. A copy that was made before has an old token. One made since has the same, but
lies on another host and has another inode, or its original is still there.
"""

import platform
import secrets
from dataclasses import dataclass
from pathlib import Path

from model.errors import ConfigError
from model.files import write_atomically

OWNER = "owner.txt"  # beside the checkpoints
TOKENS = "checkpoint-owner.txt"  # in the run's folder: the newest token, and the one before


@dataclass(frozen=True)
class Owner:
    """A run's folder as the owner of checkpoints; earlier versions recorded neither host nor token."""

    path: str
    inode: str | None
    host: str | None = None
    token: str | None = None

    def __str__(self) -> str:
        facts = {"host": self.host, "inode": self.inode, "token": self.token}
        return "\n".join([self.path, *(f"{name} {value}" for name, value in facts.items() if value)])


def read_owner(text: str) -> Owner:
    """Return the owner that `text` records, in the form of `str(owner)`."""
    path, *lines = text.splitlines() or [""]
    facts = {name: value for name, _, value in (line.partition(" ") for line in lines)}
    return Owner(path, facts.get("inode"), facts.get("host"), facts.get("token"))


def renewed(run_dir: Path, place: str, recorded: str | None) -> str:
    """Return what a driver must record at `place` as the owner of the checkpoints there, `recorded` being there now.

    The new token is on the disk of `run_dir` then, besides the recorded one: if the driver is killed before it has
    recorded the new one, the next finds the earlier. Raises ConfigError if the run is a copy of the owner.
    """
    before = None if recorded is None else read_owner(recorded)
    folder = run_dir.absolute()
    here = Owner(str(folder), str(folder.stat().st_ino), platform.node(), secrets.token_hex(16))
    if before is not None:
        _check_no_copy(before, here, place, _tokens(folder))
    tokens = [here.token, before.token if before else None]
    write_atomically(folder / TOKENS, "\n".join(token for token in tokens if token).encode())
    return str(here)


def _check_no_copy(owner: Owner, here: Owner, place: str, tokens: list[str]) -> None:
    """Raise ConfigError if the folder `here`, which has these tokens, is a copy of the `owner` of a place."""
    same_path, same_inode = owner.path == here.path, owner.inode == here.inode
    if owner.token is None:
        is_owner = same_path or same_inode
    elif owner.token in tokens:  # on another host an inode says that both see one disk
        is_owner = same_inode or (owner.host == here.host and (same_path or not Path(owner.path).exists()))
    else:
        is_owner = same_path and same_inode and owner.host == here.host  # its files were restored from a copy
    if is_owner:
        return
    remedy = "go on there, or search under another --name"
    if owner.token is None or owner.token in tokens:
        remedy += (
            f"; if that folder is gone, write where it is now into {OWNER} there: {here.path} in the first line, "
            f"'host {here.host}' in the second"
        )
    on_host = f" on {owner.host}" if owner.host else ""
    raise ConfigError(f"{place}: holds the checkpoints of {owner.path}{on_host}, of which this run is a copy; {remedy}")


def _tokens(run_dir: Path) -> list[str]:
    try:
        return (run_dir / TOKENS).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []
