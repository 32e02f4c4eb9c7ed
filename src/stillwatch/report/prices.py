"""What a campaign's tokens come to at prices that somebody gives: arithmetic on counts, and what it leaves out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from stillwatch.errors import InputError, UsageError
from stillwatch.report.load import Findings
from stillwatch.report.numbers import plural
from stillwatch.report.screen import coarse
from stillwatch.schema import USAGE

__all__ = ["Cost", "Line", "Price", "Prices", "load_prices", "priced"]

_MILLION = 1_000_000
_LONGEST_FILE = 1 << 20
_MOST = 1e9
_FIELDS = ("input", "output", "cached", "input_includes_cached")
_YES_NO = {"true": True, "yes": True, "false": False, "no": False}
_SHAPE = "see docs/reference/report.md for the two forms of the file"


@dataclass(frozen=True)
class Price:
    """Prices of one model, or of all whose names a pattern with ``*`` matches, a million tokens.

    ``cached`` is null where input read from a cache costs what other input costs. ``input_includes_cached`` says
    whether the provider's count of input tokens includes those.
    """

    model: str
    input: float
    output: float
    cached: float | None = None
    input_includes_cached: bool = True

    def of(self, input_tokens: int, output_tokens: int, cached_tokens: int) -> float:
        """What so many tokens cost."""
        fresh = max(input_tokens - cached_tokens, 0) if self.input_includes_cached else input_tokens
        read = self.input if self.cached is None else self.cached
        return (fresh * self.input + cached_tokens * read + output_tokens * self.output) / _MILLION


@dataclass(frozen=True)
class Line:
    """One model's share of a campaign; ``amount`` is null where it has no price."""

    model: str
    exchanges: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    amount: float | None


@dataclass(frozen=True)
class Cost:
    """What a campaign's tokens come to, by model, dearest first; ``amount`` is null where nothing is priced."""

    currency: str
    amount: float | None
    exchanges: int
    lines: tuple[Line, ...]
    no_price: int
    no_tokens: int

    @property
    def said(self) -> str:
        """The amount with its currency."""
        if self.amount is None:
            return "nothing is priced"
        return f"{self.currency} {self.amount:,.0f}" if self.amount >= 1000 else f"{self.currency} {self.amount:,.2f}"

    @property
    def not_priced(self) -> str:
        """What the amount leaves out, in one sentence."""
        left = [text for number, text in ((self.no_price, "of models without a price in the file"),
                                          (self.no_tokens, "without both token counts")) if number
                for text in [f"{plural(number, 'exchange')} {text}"]]
        said = f"Not priced: {' and '.join(left)}." if left else "Every exchange is priced."
        return f"{said} Discounts, batch rates, taxes and what the provider spent are not in it."

    def rounded(self, digits: int | None) -> Cost:
        """Without its lines, and with so many significant digits: what others than the deployment may see."""
        amount = self.amount if self.amount is None or digits is None else float(f"{self.amount:.{digits - 1}e}")
        return replace(self, amount=amount, lines=(), exchanges=coarse(self.exchanges, digits) or 0,
                       no_price=coarse(self.no_price, digits) or 0, no_tokens=coarse(self.no_tokens, digits) or 0)


@dataclass(frozen=True)
class Prices:
    """A price list in one currency."""

    currency: str
    prices: tuple[Price, ...]

    def find(self, model: str) -> Price | None:
        """The price of a model: its own, else that of the longest pattern that matches it."""
        own = next((price for price in self.prices if price.model == model), None)
        fits = [price for price in self.prices if fnmatchcase(model, price.model)]
        return own or max(fits, key=lambda price: (len(price.model.replace("*", "")), price.model), default=None)

    def cost(self, usage: Iterable[Mapping[str, Any]]) -> Cost:
        """What rows of ``findings.usage`` come to."""
        lines, no_price, no_tokens, every = [], 0, 0, 0
        for row in usage:
            inward, outward, cached = (row[name] or 0 for name in ("input_tokens", "output_tokens", "cached_tokens"))
            price = self.find(row["model"]) if row["model"] else None
            every += row["exchanges"] or 0
            if price is None:
                no_price += row["exchanges"] or 0
            else:
                no_tokens += row["uncounted"] or 0
            amount = None if price is None else price.of(inward, outward, cached)
            lines.append(Line(row["model"], row["exchanges"] or 0, inward, outward, cached, amount))
        known = [line.amount for line in lines if line.amount is not None]
        lines.sort(key=lambda line: (-(line.amount or 0.0), -line.exchanges, line.model))
        return Cost(self.currency, sum(known) if known else None, every, tuple(lines), no_price, no_tokens)


def priced(findings: Findings, prices: Prices | None) -> Findings:
    """The findings with a ``cost`` in each campaign's row; as they are without prices."""
    if prices is None:
        return findings
    return replace(findings, campaigns=tuple(
        replace(one, row={**one.row, "cost": prices.cost(findings.rows(USAGE, one))}) for one in findings.campaigns))


def load_prices(path: Path) -> Prices:
    """Read a price list, YAML or CSV by its ending.

    Raises ``UsageError`` where there is none and ``InputError``, with the line, where it cannot be understood.
    """
    if not path.is_file():
        raise UsageError(f"there is no price list {path}", remedy="name a YAML or CSV file with --prices")
    if path.stat().st_size > _LONGEST_FILE:
        raise InputError(f"{path} is longer than 1 MiB", remedy="give a price a model, nothing else")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text", remedy="save it as UTF-8") from error
    currency, rows = _csv(path, text) if path.suffix.lower() == ".csv" else _yaml(path, text)
    if not rows:
        raise InputError(f"{path} holds no price", remedy=_SHAPE)
    found: dict[str, Price] = {}
    for line, row in rows:
        price = _price(path, line, row)
        if price.model in found:
            raise _wrong(path, line, f"{price.model!r} has a price already", "give each model once")
        found[price.model] = price
    return Prices(currency, tuple(found.values()))


def _wrong(path: Path, line: int, what: str, remedy: str) -> InputError:
    return InputError(f"{path}, line {line}: {what}", remedy=remedy)


def _currency(path: Path, line: int, given: str) -> str:
    if not (len(given) == 3 and given.isascii() and given.isalpha()):
        raise _wrong(path, line, f"{given[:20]!r} is no currency", "use its three letters after ISO 4217, such as USD")
    return given.upper()


def _csv(path: Path, text: str) -> tuple[str, list[tuple[int, Mapping[str, str]]]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    rows: list[tuple[int, Mapping[str, str]]] = []
    currency = ""
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        _known(path, 1, names, ("model", *_FIELDS, "currency"), ("model", "input", "output", "currency"))
        reader.fieldnames = names
        for row in reader:
            line = reader.line_num
            if None in row or None in row.values():
                raise _wrong(path, line, "it has not as many cells as the first line", "write one cell a column")
            cells = {name: cell.strip() for name, cell in row.items()}
            given = _currency(path, line, cells.pop("currency"))
            if currency and given != currency:
                raise _wrong(path, line, f"{given} after {currency}", "give all prices in one currency")
            currency = given
            rows.append((line, {name: cell for name, cell in cells.items() if cell}))
    except csv.Error as error:
        raise _wrong(path, max(reader.line_num, 1), f"no valid CSV ({error})", _SHAPE) from error
    return currency, rows


def _known(path: Path, line: int, names: Sequence[str], allowed: Sequence[str], needed: Sequence[str]) -> None:
    for name in names:
        if name not in allowed:
            raise _wrong(path, line, f"{name[:40]!r} is no part of a price", f"use {', '.join(allowed)}")
    for name in needed:
        if name not in names:
            raise _wrong(path, line, f"{name} is missing", f"give {', '.join(needed)}")


def _yaml(path: Path, text: str) -> tuple[str, list[tuple[int, Mapping[str, str]]]]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _wrong(path, line, f"no valid YAML ({error.problem or 'unreadable'})", _SHAPE) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _wrong(path, 1, "no valid YAML", _SHAPE) from error
    parts = _mapping(path, root, "the file")
    _known(path, 1, list(parts), ("currency", "models"), ("currency", "models"))
    currency = _currency(path, parts["currency"].start_mark.line + 1, _scalar(path, parts["currency"]))
    rows: list[tuple[int, Mapping[str, str]]] = []
    for model, node in _mapping(path, parts["models"], "models").items():
        row = {name: _scalar(path, value) for name, value in _mapping(path, node, "a price").items()}
        rows.append((node.start_mark.line + 1, {"model": model, **row}))
    return currency, rows


def _mapping(path: Path, node: Any, what: str) -> dict[str, Any]:
    line = node.start_mark.line + 1 if node is not None else 1
    if not isinstance(node, yaml.MappingNode):
        raise _wrong(path, line, f"{what} is not names with values", _SHAPE)
    found: dict[str, Any] = {}
    for key, value in node.value:
        name = _scalar(path, key)
        if name in found:
            raise _wrong(path, key.start_mark.line + 1, f"{name[:40]!r} is there twice", "give each once")
        found[name] = value
    return found


def _scalar(path: Path, node: Any) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _wrong(path, node.start_mark.line + 1, "a list or names where one value is wanted", _SHAPE)
    return str(node.value).strip()


def _price(path: Path, line: int, row: Mapping[str, str]) -> Price:
    _known(path, line, list(row), ("model", *_FIELDS), ("model", "input", "output"))
    includes = row.get("input_includes_cached", "true").lower()
    if includes not in _YES_NO:
        raise _wrong(path, line, f"{includes[:20]!r} is neither true nor false", "write true or false")
    inward, outward = (_amount(path, line, name, row[name]) for name in ("input", "output"))
    cached = _amount(path, line, "cached", row["cached"]) if "cached" in row else None
    return Price(row["model"], inward, outward, cached, _YES_NO[includes])


def _amount(path: Path, line: int, name: str, given: str) -> float:
    try:
        value = float(given)
    except ValueError:
        value = float("nan")
    if not isfinite(value) or not 0 <= value <= _MOST:
        raise _wrong(path, line, f"{name} {given[:20]!r} is no price",
                     "write the price of a million tokens as a number, such as 2.50")
    return value
