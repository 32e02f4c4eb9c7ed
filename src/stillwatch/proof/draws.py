"""Counter-based randomness: a draw is a pure function of a key and of what it is drawn for.

What must stay the same throughout a conversation, a day or an account's life is looked up again wherever
it is needed instead of being stored, so that rows can be generated in any order and in bounded memory.
The mixing function is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), a bijection on 64 bits.
"""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["Floats", "Ints", "Key", "Keys", "again", "as_normal", "as_uniform", "choose", "generator", "hexes",
           "integers", "key_of", "mix", "normals", "permuted", "sub", "texts", "uniforms"]

Keys: TypeAlias = npt.NDArray[np.uint64]
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Key: TypeAlias = np.uint64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# Four hex digits of every 16-bit number, as they lie in memory.
_HEX = np.array([f"{number:04x}".encode() for number in range(1 << 16)], dtype="S4").view(np.uint32)


def generator(seed: int, *names: str) -> np.random.Generator:
    """A NumPy generator of its own for every name, whatever else is drawn and in whatever order."""
    words = [int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") for name in names]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


def key_of(seed: int, *names: str) -> Key:
    """A 64-bit key for every name, from the same seed sequence as ``generator``."""
    words = [int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") for name in names]
    return np.uint64(np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)[0])


@cache
def _word(purpose: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big"))


@lru_cache(maxsize=65_536)
def sub(key: Key, purpose: str) -> Key:
    """The key for one purpose."""
    return np.uint64(_finish(np.array([key ^ _word(purpose)], dtype=np.uint64))[0])


def _finish(value: Keys) -> Keys:
    value = value + _GOLDEN
    shifted = value >> np.uint64(30)
    value ^= shifted
    value *= np.uint64(0xBF58476D1CE4E5B9)
    value ^= np.right_shift(value, np.uint64(27), out=shifted)
    value *= np.uint64(0x94D049BB133111EB)
    value ^= np.right_shift(value, np.uint64(31), out=shifted)
    return value


def mix(key: Key | Keys, *counters: Any) -> Keys:
    """64 random bits for each row of the counters (integer arrays or numbers that broadcast)."""
    # Arrays, unlike scalars, overflow without a word.
    value = np.atleast_1d(np.asarray(key, dtype=np.uint64))
    for counter in counters:
        value = _finish(value ^ _finish(np.atleast_1d(np.asarray(counter)).astype(np.uint64)))
    return value


def again(bits: Keys, purpose: str) -> Keys:
    """Further random bits for one purpose out of random bits, in one pass of the mixing function."""
    return _finish(bits ^ _word(purpose))


def as_uniform(bits: Keys) -> Floats:
    """Random bits as numbers that are uniform on the open interval (0, 1)."""
    out = (bits >> np.uint64(11)).astype(np.float64)
    out += 0.5
    out *= 2.0**-53
    return out


def as_normal(bits: Keys) -> Floats:
    """Random bits as standard normal numbers (Box and Muller, Ann. Math. Stat. 1958): half of the bits for the
    radius, half for the angle."""
    radius = (bits >> np.uint64(32)).astype(np.float64)
    radius += 0.5
    radius *= 2.0**-32
    np.sqrt(np.multiply(np.log(radius, out=radius), -2.0, out=radius), out=radius)
    angle = (bits & np.uint64(0xFFFFFFFF)).astype(np.float64)
    angle *= 2.0 * np.pi * 2.0**-32
    radius *= np.cos(angle, out=angle)
    return radius


def uniforms(key: Key | Keys, *counters: Any) -> Floats:
    """Uniform on the open interval (0, 1)."""
    return as_uniform(mix(key, *counters))


def normals(key: Key | Keys, *counters: Any) -> Floats:
    """Standard normal."""
    return as_normal(mix(key, *counters))


def integers(bound: int | Ints, key: Key, *counters: Any) -> Ints:
    """Uniform on 0 … bound - 1."""
    return np.floor(uniforms(key, *counters) * bound).astype(np.int64)


def choose(weights: Any, key: Key, *counters: Any) -> Ints:
    """An index, with probability proportional to its weight."""
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    drawn = np.searchsorted(edges / edges[-1], uniforms(key, *counters), side="right")
    return np.minimum(drawn, len(edges) - 1).astype(np.int64)


def permuted(key: Key, counters: Any, bits: int) -> Keys:
    """A bijection on 0 … 2^bits - 1 (a Feistel network of six rounds, ``bits`` even): distinct in, distinct out."""
    half = np.uint64(bits // 2)
    mask = np.uint64((1 << (bits // 2)) - 1)
    value = np.atleast_1d(np.asarray(counters)).astype(np.uint64)
    left, right = value >> half, value & mask
    for step in range(6):
        left, right = right, left ^ (mix(key, right, step) & mask)
    return (left << half) | right


def hexes(values: Keys, prefix: str = "", digits: int = 16) -> pa.Array:
    """``prefix`` and the lowest ``digits`` hex digits of each value, as an Arrow string array."""
    count, head = len(values), prefix.encode()
    quarters = values.astype("<u8").view("<u2").reshape(count, 4)[:, ::-1]
    written = _HEX[quarters].view(np.uint8).reshape(count, 16)
    width = len(head) + digits
    out = np.empty((count, width), dtype=np.uint8)
    out[:, : len(head)] = np.frombuffer(head, dtype=np.uint8)
    out[:, len(head):] = written[:, 16 - digits:]
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(out))


def texts(values: Any, mask: Any = None) -> pa.Array:
    """A sequence of strings as an Arrow array, null where ``mask`` is true."""
    array = values if isinstance(values, pa.Array) else pa.array(list(values), pa.string())
    if mask is None:
        return array
    return pa.compute.if_else(pa.array(~np.asarray(mask)), array, pa.scalar(None, pa.string()))
