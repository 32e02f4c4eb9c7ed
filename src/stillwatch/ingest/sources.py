"""Inputs as the user names them, turned into files in a fixed order."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from urllib.parse import unquote

from stillwatch.errors import InputError, UsageError
from stillwatch.ingest.iceberg import iceberg_files, is_iceberg
from stillwatch.ingest.lakes import TableFile, delta_files, is_delta

__all__ = ["Input", "find"]

# A folder's name that is a field and its value; names of one letter or more, as any engine makes them.
_PARTITION = re.compile(r"([A-Za-z_][A-Za-z0-9_.\-]{0,99})=(.{0,1000})\Z", re.DOTALL)
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_FOR_PEOPLE = re.compile(r"(README|LICEN[SC]E|NOTICE)(\.(md|txt|rst))?\Z")


@dataclass(frozen=True)
class Input:
    """One file to read: where it is, what to call it, and whether it was found inside a folder.

    ``partition`` holds the fields that the folders' names give to all of its records, as hive writes them
    (``day=2026-01-02/region=eu``); with ``whole`` the names of folders inside the input say nothing.
    """

    path: Path
    name: str
    given: str
    from_folder: bool
    regular: bool = True
    partition: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False


def find(inputs: Sequence[str | Path]) -> list[Input]:
    """Files of all inputs, in the order given; the files of a folder or glob sorted by path.

    Files whose name (or whose folder's) begins with ``_`` or ``.`` are skipped within folders, and so are
    README, LICENSE and NOTICE. Of the folder of a Delta or Iceberg table the files of its newest version are read. A
    file that is named twice is read twice: its records then count as duplicates. Raises ``UsageError`` for what does
    not exist and for a table where the package that reads it is not installed, ``InputError`` for a folder or table
    that cannot be read.
    """
    if not inputs:
        raise UsageError("no input is given", remedy="name a file, a folder or a glob")
    found = [replace(file, partition={**_partition(file), **file.partition})
             for given in inputs for file in _expand(os.fspath(given))]
    names = Counter(name for name, _ in {(file.name, file.path) for file in found})
    return [replace(file, name=f"{file.given.rstrip('/')}/{file.name}" if file.from_folder else file.given)
            if names[file.name] > 1 else file for file in found]


def _partition(file: Input) -> dict[str, str]:
    """Fields that the names of folders say, of the input as it was given and inside it; the innermost wins."""
    inside = PurePath(file.name).parent.parts if file.from_folder and not file.whole else ()
    outside = PurePath(file.given).parts if file.from_folder else PurePath(file.given).parent.parts
    found: dict[str, str] = {}
    for part in (*outside, *inside):
        match = _PARTITION.match(part)
        if match and match.group(2) and match.group(2) != _NULL_PARTITION:
            found[match.group(1)] = unquote(match.group(2))
    return found


def _expand(given: str) -> list[Input]:
    path = Path(given)
    if path.is_dir():
        return _folder(given, path)
    if path.exists():
        if not path.is_file():
            raise UsageError(f"{given} is no regular file", remedy="save the data to a file first, then name it")
        return [Input(path, path.name, given, from_folder=False)]
    matches = sorted(glob.glob(given, recursive=True)) if glob.has_magic(given) else []  # noqa: PTH207 - absolute too
    if not matches:
        kind = "no file matches" if glob.has_magic(given) else "there is no file or folder"
        raise UsageError(f"{kind} {given}", remedy="check the path; relative ones start at the working directory")
    files: list[Input] = []
    for match in matches:
        inner = Path(match)
        if inner.is_dir():
            # `logs/**` names a folder and, again, all that is in it.
            if "**" not in given:
                files += _folder(match, inner)
        elif inner.is_file():
            files.append(Input(inner, match, match, from_folder=True))
    return files


def _folder(given: str, folder: Path) -> list[Input]:
    files = [
        Input(file.path, file.path.relative_to(folder).as_posix(), given, from_folder=True,
              regular=stat.S_ISREG(file.path.stat().st_mode), partition=file.partition, whole=file.whole)
        for file in _walk(folder)
    ]
    return sorted(files, key=lambda file: file.name)


def _is_beside(name: str) -> bool:
    """Whether a file is there for people or for tools, by the usual names."""
    return name.startswith((".", "_")) or bool(_FOR_PEOPLE.match(name))


def _walk(folder: Path) -> Iterator[TableFile]:
    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}",
                         remedy="check that you may read it") from error

    for inside, folders, names in os.walk(folder, onerror=refuse):
        if is_delta(Path(inside)):
            folders.clear()
            yield from delta_files(Path(inside))
            continue
        if is_iceberg(Path(inside)):
            folders.clear()
            yield from (TableFile(path, whole=True) for path in iceberg_files(Path(inside)))
            continue
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in sorted(names):
            path = Path(inside) / name
            if not _is_beside(name) and path.exists():
                yield TableFile(path)
