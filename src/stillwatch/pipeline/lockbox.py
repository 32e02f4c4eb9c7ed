"""Files that only who holds the deployment key can read, or can have made: zstd in AES-256-GCM, a frame at a time.

A file cut short, changed in one bit or put in another's place is told as damaged, so what comes out is what went in.
That is also why unpickling from one is safe: who could forge it holds the key already.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["DamagedError", "Lockbox"]

_FRAME = 1 << 20
_ID, _COUNT, _LENGTH = 8, 4, 4
_MORE, _LAST = b"\x00", b"\x01"
_DRAFT = ".draft"


class DamagedError(Exception):
    """A file is not what was written, or was written under another key."""


class Lockbox:
    """Writes and reads such files; each is bound to its own name."""

    def __init__(self, secret: bytes) -> None:
        """``secret`` is 32 bytes."""
        self._cipher = AESGCM(secret)

    def put(self, path: Path, value: Any) -> None:
        """Write any picklable value, whole or not at all."""
        with self._writing(path) as stream:
            pickle.dump(value, stream, protocol=pickle.HIGHEST_PROTOCOL)

    def get(self, path: Path) -> Any:
        """The value; raises ``DamagedError``, and ``FileNotFoundError`` where there is none."""
        with self._reading(path) as stream:
            try:
                value = pickle.load(stream)  # noqa: S301 - authenticated, see above
                if stream.read(1):
                    raise DamagedError(path.name)
            except (pickle.UnpicklingError, EOFError, AttributeError, ImportError) as error:
                raise DamagedError(path.name) from error
        return value

    def put_file(self, path: Path, source: Path) -> None:
        """Write the content of a file, whole or not at all."""
        with source.open("rb") as content, self._writing(path) as stream:
            shutil.copyfileobj(content, stream, _FRAME)

    def get_file(self, path: Path, target: Path) -> None:
        """Put the content into a new file; raises as ``get``."""
        with self._reading(path) as stream, target.open("xb") as content:
            shutil.copyfileobj(stream, content, _FRAME)

    @contextmanager
    def _writing(self, path: Path) -> Iterator[IO[bytes]]:
        draft = path.with_name(path.name + _DRAFT)
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                frames = _Writer(file, self._cipher, path.name.encode())
                with io.BufferedWriter(frames, _FRAME) as stream:
                    yield stream
                    stream.flush()
                    frames.end()
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    @contextmanager
    def _reading(self, path: Path) -> Iterator[IO[bytes]]:
        with path.open("rb") as file, io.BufferedReader(_Reader(file, self._cipher, path.name.encode()),
                                                        _FRAME) as stream:
            yield stream


class _Writer(io.RawIOBase):
    """Turns what is written into frames: flag, length, compressed and sealed bytes.

    The nonce is the file's id and a counter.
    """

    def __init__(self, file: IO[bytes], cipher: AESGCM, name: bytes) -> None:
        self._file, self._cipher, self._name = file, cipher, name
        self._id, self._made = os.urandom(_ID), 0
        self._zstd = zstandard.ZstdCompressor(level=1)
        file.write(self._id)

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Write all of it, in frames."""
        view = memoryview(data).cast("B")
        for at in range(0, len(view), _FRAME):
            self._frame(view[at : at + _FRAME], _MORE)
        return len(view)

    def end(self) -> None:
        """Say that this is all."""
        self._frame(memoryview(b""), _LAST)

    def _frame(self, content: memoryview, flag: bytes) -> None:
        sealed = self._cipher.encrypt(self._id + self._made.to_bytes(_COUNT, "big"), self._zstd.compress(content),
                                      self._name + flag)
        self._made += 1
        self._file.write(flag + len(sealed).to_bytes(_LENGTH, "big") + sealed)


class _Reader(io.RawIOBase):
    """The content of such frames; raises ``DamagedError`` where they are not as written, up to the last."""

    def __init__(self, file: IO[bytes], cipher: AESGCM, name: bytes) -> None:
        self._file, self._cipher, self._name = file, cipher, name
        self._id, self._seen, self._ended = file.read(_ID), 0, False
        self._left = memoryview(b"")
        self._zstd = zstandard.ZstdDecompressor()

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill what can be filled from one frame; 0 at the end."""
        while not self._left and not self._ended:
            self._next()
        view = memoryview(buffer).cast("B")
        taken = min(len(view), len(self._left))
        view[:taken] = self._left[:taken]
        self._left = self._left[taken:]
        return taken

    def _next(self) -> None:
        head = self._file.read(1 + _LENGTH)
        flag, length = head[:1], int.from_bytes(head[1:], "big")
        # Nothing much longer than a frame is read, whatever the length says.
        sealed = self._file.read(min(length, 2 * _FRAME))
        try:
            content = self._cipher.decrypt(self._id + self._seen.to_bytes(_COUNT, "big"), sealed, self._name + flag)
        except (InvalidTag, ValueError, OverflowError) as error:
            raise DamagedError(self._name.decode()) from error
        self._seen += 1
        self._left, self._ended = memoryview(self._zstd.decompress(content, max_output_size=_FRAME)), flag == _LAST
