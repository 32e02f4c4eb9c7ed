"""Iceberg tables as inputs: the data files that the table's current snapshot consists of.

The table is a folder with `metadata/*.metadata.json`. Wherever it was when it was written, everything is looked for in
the folder as it lies here, and nothing outside it is opened: metadata come from strangers and may name any place.
Needs the package `pyiceberg` (extra `stillwatch[iceberg]`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stillwatch.errors import InputError, StillwatchError, UsageError

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

__all__ = ["iceberg_files", "is_iceberg"]

# `v3.metadata.json` of tables without a catalog, `00003-UUID.metadata.json` of the others; gzip is possible.
_VERSION = re.compile(r"v?([0-9]{1,18})(-[0-9A-Za-z-]+)?(\.gz)?\.metadata\.json(\.gz)?\Z")
_EXPORT = "write the table out as plain Parquet with the engine that keeps it, and give that folder"


def is_iceberg(folder: Path) -> bool:
    """Whether a folder holds an Iceberg table: metadata of some version."""
    inside = folder / "metadata"
    return inside.is_dir() and any(_VERSION.match(path.name) for path in inside.iterdir())


def iceberg_files(folder: Path) -> list[Path]:
    """The Parquet files of the current snapshot of the newest metadata, by path.

    Raises ``UsageError`` without the package, ``InputError`` for metadata that cannot be read or name places outside
    the folder, and for what cannot be read file by file: deleted rows that files still hold, columns that were renamed
    or dropped, columns with defaults, files other than Parquet.
    """
    try:
        from pyiceberg.serializers import FromInputFile
    except ImportError:
        raise UsageError(f"{folder} is an Iceberg table, and the package that reads its metadata is not installed",
                         remedy="pip install 'stillwatch[iceberg]'") from None
    newest = _newest(folder)
    try:
        metadata = FromInputFile.table_metadata(_io(folder, "").new_input(str(newest)))
        _check(metadata, folder)
        return sorted(_data_files(metadata, folder))
    except StillwatchError:
        raise
    except Exception as error:  # whatever a stranger's file does to the package; its messages may quote the file
        raise InputError(f"the metadata of the Iceberg table {folder} cannot be read: {type(error).__name__}",
                         remedy=_EXPORT) from error


def _newest(folder: Path) -> Path:
    """The metadata of the highest version."""
    found: dict[int, list[Path]] = {}
    for path in sorted((folder / "metadata").iterdir()):
        match = _VERSION.match(path.name)
        if match:
            found.setdefault(int(match.group(1)), []).append(path)
    newest = found[max(found)]
    if len(newest) > 1:
        # The catalog alone knows which of them was accepted.
        raise InputError(f"the Iceberg table {folder} has two metadata files of its newest version",
                         remedy="keep the one that the catalog names in a copy of the folder, or " + _EXPORT)
    return newest[0]


def _check(metadata: TableMetadata, folder: Path) -> None:
    """Files are read by the names of their columns, so a name must have meant one column all along."""
    from pyiceberg.schema import index_by_name

    columns = [index_by_name(schema) for schema in metadata.schemas]
    current = index_by_name(metadata.schema())
    if any(current.get(name) != number for schema in columns for name, number in schema.items()):
        raise InputError(f"the Iceberg table {folder} had columns renamed or dropped, which its files still hold",
                         remedy=_EXPORT)
    if any(getattr(field, "initial_default", None) is not None for field in metadata.schema().fields):
        raise InputError(f"the Iceberg table {folder} has columns with a default that its files do not hold",
                         remedy=_EXPORT)


def _data_files(metadata: TableMetadata, folder: Path) -> Iterator[Path]:
    from pyiceberg.manifest import DataFileContent, FileFormat

    io, snapshot = _io(folder, metadata.location), metadata.current_snapshot()
    for manifest in snapshot.manifests(io) if snapshot is not None else ():
        for entry in manifest.fetch_manifest_entry(io, discard_deleted=True):
            file = entry.data_file
            if file.content != DataFileContent.DATA:
                raise InputError(f"the Iceberg table {folder} has deleted rows that its files still hold",
                                 remedy="rewrite them first, as CALL system.rewrite_data_files does with"
                                        " delete-file-threshold 1")
            if file.file_format != FileFormat.PARQUET:
                raise InputError(f"the Iceberg table {folder} has files that are not Parquet", remedy=_EXPORT)
            path = _here(str(file.file_path), folder, metadata.location)
            if not path.is_file():
                raise InputError(f"{path} is part of an Iceberg table and is not there",
                                 remedy="copy the whole table, or restore the file")
            yield path


def _here(location: str, folder: Path, root: str) -> Path:
    """A place that the metadata name, in the folder as it lies here. Raises ``InputError`` for one outside."""
    inside = location.removeprefix(root.rstrip("/") + "/") if root else location
    if inside == location:
        # The same place may be written with a scheme or without.
        one, other = (urlsplit(text).path for text in (location, root))
        inside = one.removeprefix(other.rstrip("/") + "/") if other.strip("/") else location
    path = folder / inside
    if not path.resolve().is_relative_to(folder.resolve()) or "://" in inside:
        raise InputError(f"the Iceberg table {folder} names files outside its folder", remedy=_EXPORT)
    return path


def _io(folder: Path, root: str) -> Any:
    """What the package opens files by: in the folder alone, and only to read."""
    from pyiceberg.io import FileIO, InputFile, OutputFile
    from pyiceberg.io.pyarrow import PyArrowFileIO

    class Inside(FileIO):
        def new_input(self, location: str) -> InputFile:
            return PyArrowFileIO().new_input(str(_here(location, folder, root).absolute()))

        def new_output(self, location: str) -> OutputFile:
            raise PermissionError(location)

        def delete(self, location: str | InputFile | OutputFile) -> None:
            raise PermissionError

    return Inside()
