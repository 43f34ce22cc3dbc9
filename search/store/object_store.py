"""Files at a place that is a path, or a URI of an object store such as s3://BUCKET/PREFIX: fetched, listed, deleted."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from model.errors import summary
from search.store.deletions import Deletions

if TYPE_CHECKING:  # it takes a while to import, and most runs have their checkpoints in their folder
    from pyarrow.fs import FileSystem


class StoreError(OSError):
    """Raised where an object store does not answer, or refuses."""


def is_uri(place: str) -> bool:
    return "://" in place


def below(place: str, name: str) -> str:
    """Return the place `name`, a relative path, below another; a URI keeps its options (?region=...)."""
    if not is_uri(place):
        return f"{place.rstrip('/')}/{name}"
    parts = urlsplit(place)
    return urlunsplit((parts.scheme, parts.netloc, f"{parts.path.rstrip('/')}/{name}", parts.query, ""))


def path_below(place: str, other: str) -> str | None:
    """Return the path that leads from a place to an `other` one below it; None if it does not lie below."""
    (site, path), (other_site, other_path) = _split(place), _split(other)
    if site != other_site or not PurePosixPath(other_path).is_relative_to(path):
        return None
    return str(PurePosixPath(other_path).relative_to(path))


def file_system(place: str) -> "tuple[FileSystem, str]":
    """Return the file system that a place lies in, and its path there. Raises OSError or ValueError."""
    if not is_uri(place):
        from pyarrow.fs import LocalFileSystem

        return LocalFileSystem(), place
    parts = urlsplit(place)
    return _bucket(urlunsplit((parts.scheme, parts.netloc, "", parts.query, ""))), f"{parts.netloc}{parts.path}"


@contextmanager
def fetched(place: str) -> Iterator[Path]:
    """Yield the local folder with what lies at a place: the place itself, or a copy as long as the body runs.

    Raises OSError; FileNotFoundError if nothing is there.
    """
    if not is_uri(place):
        yield Path(place)
        return
    from pyarrow.fs import LocalFileSystem, copy_files

    with tempfile.TemporaryDirectory() as copy:
        with asking(place):
            system, path = file_system(place)
            copy_files(path, copy, source_filesystem=system, destination_filesystem=LocalFileSystem())
        yield Path(copy)


def names_at(place: str) -> list[str]:
    """Return the names of what lies directly at a place; none where nothing does. Raises OSError."""
    from pyarrow.fs import FileSelector

    with asking(place):
        system, path = file_system(place)
        return sorted(found.base_name for found in system.get_file_info(FileSelector(path, allow_not_found=True)))


def delete(place: str) -> None:
    """Delete the folder at a place, one in an object store in the background. What can't be deleted stays."""
    if is_uri(place):
        DELETIONS.add(place)
    else:
        shutil.rmtree(place, ignore_errors=True)


def _delete_there(place: str) -> None:
    system, path = file_system(place)
    system.delete_dir(path)


DELETIONS = Deletions(_delete_there)  # of this process, which waits for them before it ends


def make(place: str) -> None:
    """Make the folder at a place, where it is absent. Raises OSError or ValueError."""
    if not is_uri(place):
        Path(place).mkdir(parents=True, exist_ok=True)
        return
    system, path = file_system(place)
    system.create_dir(path)


def read(place: str) -> str | None:
    """Return the text of the file at a place; None if there is none. Raises OSError or ValueError."""
    with suppress(FileNotFoundError):
        if not is_uri(place):
            return Path(place).read_text(encoding="utf-8")
        system, path = file_system(place)
        with system.open_input_stream(path) as stream:
            return bytes(stream.read()).decode()
    return None


def write(place: str, text: str) -> None:
    """Write a text file at a place, whose folder is there. Raises OSError or ValueError."""
    if not is_uri(place):
        Path(place).write_text(text, encoding="utf-8")
        return
    system, path = file_system(place)
    with system.open_output_stream(path) as stream:
        stream.write(text.encode())


def remove(place: str) -> None:
    """Delete the file at a place. Raises OSError or ValueError."""
    if not is_uri(place):
        Path(place).unlink()
        return
    system, path = file_system(place)
    system.delete_file(path)


@contextmanager
def asking(place: str) -> Iterator[None]:
    """Raise StoreError where the object store that the body asks does not answer, or refuses."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        if not is_uri(place):
            raise
        raise StoreError(f"{urlsplit(place).netloc}: {summary(error, most=300)}") from error


@cache
def _bucket(uri: str) -> "FileSystem":
    """Return the file system of a bucket: one connection for all places in it."""
    from pyarrow.fs import FileSystem

    return FileSystem.from_uri(uri)[0]


def _split(place: str) -> tuple[tuple[str, ...], str]:
    """Return what is the same for all places of one store, and the path."""
    if not is_uri(place):
        return (), place
    parts = urlsplit(place)
    return (parts.scheme, parts.netloc, parts.query), parts.path
