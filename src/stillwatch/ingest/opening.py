"""A file as a bounded stream of bytes, whatever it is compressed with."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import zstandard

from stillwatch.errors import InputError
from stillwatch.ingest.model import BadRecord
from stillwatch.settings import Settings

__all__ = ["Stream", "compression_of"]

CHUNK = 1 << 20
_GUARD_FROM = 1 << 30
# A zstd frame may ask for a window of gigabytes; 128 MiB is what `zstd --ultra` itself uses at most
# without `--long`, `--long=31` asks for more and is refused.
_MAX_WINDOW = 1 << 27

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_OTHER = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip", b"\x04\x22\x4d\x18": "lz4",
          b"\x1f\x9d": "compress", b"7z\xbc\xaf\x27\x1c": "7-Zip"}


def _is_zstd(head: bytes) -> bool:
    # Skippable frames, as pzstd writes them first, are 0x184D2A50 to 0x184D2A5F.
    return head.startswith(_ZSTD) or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= (head or b"\0")[0] <= 0x5F)


def compression_of(head: bytes) -> str:
    """``none``, ``gzip`` or ``zstd`` by the first bytes. Raises ``BadRecord`` for other archives."""
    if head.startswith(_GZIP):
        return "gzip"
    if _is_zstd(head):
        return "zstd"
    for magic, name in _OTHER.items():
        if head.startswith(magic):
            raise BadRecord("unrecognised_file", f"compressed with {name}; unpack it or use gzip or zstd")
    return "none"


class _Raw(io.RawIOBase):
    """The file's own bytes, counted."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        read = cast(io.FileIO, self.file).readinto(buffer) or 0
        self.count += read
        return read


class Stream:
    """Decompressed chunks of one file, with a guard against files that expand beyond reason.

    Iterating raises ``BadRecord``: ``unparsable`` where a compressed stream breaks off or is damaged (what
    came before has been handed out), ``expands_too_far`` where the guard stops. ``digest`` is the SHA-256
    of everything handed out; ``broken`` says how the stream broke off, once it did.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self._expansion = settings.max_expansion
        self._hash = hashlib.sha256()
        self.broken = ""
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise InputError(f"{path} cannot be opened: {error.strerror or type(error).__name__}",
                             remedy="check that the file exists and that you may read it") from error
        try:
            head = self._file.read(8) or b""
            self._file.seek(0)
            self.compression = compression_of(head)
        except BaseException:
            self._file.close()
            raise
        self._raw = _Raw(self._file)
        self.size = 0

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes handed out so far, in hex."""
        return self._hash.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """The decompressed bytes, at most about a mebibyte at a time."""
        try:
            reader = self._reader()
            while True:
                try:
                    chunk = reader.read(CHUNK)
                except (EOFError, zlib.error, zstandard.ZstdError) as error:
                    self.broken = _damage(error)
                    raise BadRecord("unparsable", self.broken) from None
                if not chunk:
                    break
                self.size += len(chunk)
                if self.size > _GUARD_FROM and self.size > self._expansion * max(self._raw.count, 1):
                    raise BadRecord("expands_too_far", "it expands further than settings.max_expansion allows")
                self._hash.update(chunk)
                yield chunk
        finally:
            self.close()

    def _reader(self) -> IO[bytes]:
        if self.compression == "gzip":
            return cast(IO[bytes], _Gzip(self._raw))
        if self.compression == "zstd":
            return cast(IO[bytes], _Zstd(self._raw))
        return cast(IO[bytes], self._raw)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _damage(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the compressed stream breaks off; what came before was read"
    return "the compressed stream is damaged; what came before was read"


class _Gzip:
    """Member after member; unlike the standard library's it hands out everything before a break."""

    def __init__(self, raw: _Raw) -> None:
        self._raw = raw
        self._member = self._new()
        self._pending = b""
        self._begun = False

    @staticmethod
    def _new() -> zlib._Decompress:
        return zlib.decompressobj(wbits=31)

    def read(self, size: int) -> bytes:
        while True:
            if not self._pending:
                self._pending = self._raw.read(1 << 16) or b""
                if not self._pending:
                    if self._begun:
                        raise EOFError
                    return b""
            if not self._begun:
                # Zeros between and after members are padding.
                self._pending = self._pending.lstrip(b"\0")
                if not self._pending:
                    continue
            self._begun = True
            out = self._member.decompress(self._pending, size)
            self._pending = self._member.unconsumed_tail
            if self._member.eof:
                self._pending = self._member.unused_data
                self._member = self._new()
                self._begun = False
            if out:
                return out


class _Zstd:
    """Frame after frame; unlike the library's own reader it notices a last frame that breaks off."""

    def __init__(self, raw: _Raw) -> None:
        self._raw = raw
        self._frame = self._new()
        self._pending = b""
        self._begun = False

    @staticmethod
    def _new() -> zstandard.ZstdDecompressionObj:
        # The write size bounds what one call returns: input is fed in small pieces, see read().
        return zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompressobj(write_size=CHUNK)

    def read(self, _size: int) -> bytes:
        while True:
            if not self._pending:
                self._pending = self._raw.read(4096) or b""
                if not self._pending:
                    if self._begun:
                        raise EOFError
                    return b""
            # A block of 128 KiB is at most what a few bytes of input can expand to at once, so small
            # pieces of input keep what comes back small.
            piece, self._pending = self._pending[:256], self._pending[256:]
            self._begun = True
            out = self._frame.decompress(piece)
            if self._frame.eof:
                self._pending = self._frame.unused_data + self._pending
                self._frame = self._new()
                self._begun = False
            if out:
                return out
