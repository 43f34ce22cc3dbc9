"""Files on disk: their paths, bounded reading, atomic writing, digests."""

import errno
import os
import stat
from hashlib import sha256
from pathlib import Path

from model.errors import ConfigError, one_line_errors


def expanded(path: str | Path) -> Path:
    """Return a path as a person wrote it, with ~ and ~somebody as the folders they stand for. Raises ConfigError."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        if Path(path).exists():  # a file may be called so
            return Path(path)
        raise ConfigError(f"{path}: no such person's home folder; write the folder's path in full") from error


def path_argument(path: str | Path) -> Path:
    """Return `expanded(path)` for the command line, where an error ends the command in one line."""
    with one_line_errors():
        return expanded(path)


def digest(content: bytes | memoryview) -> str:
    """Return the SHA-256 of `content` as 64 hexadecimal digits."""
    return sha256(content).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path`, so that a crash leaves the old file or the new one, whole. Raises OSError."""
    # With the process id in it, so that two processes that write at once can't mix.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_flushed(temporary, content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        error.filename = str(path)
        raise


def write_flushed(path: Path, content: bytes) -> None:
    """Write `content` to `path` and wait until the disk has it. Raises OSError, with the file's name."""
    try:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        error.filename = str(path)  # a full disk's has none
        raise


def flush_names(folder: Path) -> None:
    """Wait until the disk has the names that `folder` holds. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_file(path: Path, most_bytes: int) -> None:
    """Raise OSError, with its `strerror`, unless `path` is a readable regular file of at most `most_bytes`."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder")
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device might never end
        raise OSError(errno.EINVAL, "is not a regular file")
    if status.st_size > most_bytes:
        raise OSError(errno.EFBIG, f"has {status.st_size:,} bytes, more than {most_bytes:,}")
    with path.open("rb"):  # may it be read?
        pass


def read_file(path: Path, most_bytes: int) -> bytes:
    """Return the contents of a regular file of at most `most_bytes`. Raises OSError as `check_file` does."""
    check_file(path, most_bytes)
    return path.read_bytes()
