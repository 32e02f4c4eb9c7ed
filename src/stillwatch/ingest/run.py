"""The whole of ingest: inputs in, Parquet parts and a quarantine out, with every record accounted for."""

from __future__ import annotations

import gc
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import orjson

from stillwatch.engine import Engine
from stillwatch.errors import InputError, StillwatchError
from stillwatch.folders import new_folder
from stillwatch.ingest.dedupe import drop_repeats
from stillwatch.ingest.joining import Apart, Joiner
from stillwatch.ingest.mapped import MappedFormat
from stillwatch.ingest.model import OUT_OF_SCOPE, BadRecord, Counts, FileReport, Format, Ingested
from stillwatch.ingest.reading import Read, Reader, Unrecognised, parse
from stillwatch.ingest.registry import format_named, formats
from stillwatch.ingest.sink import Sink
from stillwatch.ingest.sources import Input, find
from stillwatch.ingest.spread import Reduce, Share, Spreads, Told, shares
from stillwatch.settings import DeploymentKey, Settings

__all__ = ["ingest"]

_COLLECT_AFTER = 100_000
Tick = Callable[[str, int], None]


def ingest(
    inputs: Sequence[str | Path],
    into: Path,
    *,
    settings: Settings,
    key: DeploymentKey,
    engine: Engine,
    format: str | None = None,
    mapping: Path | None = None,
    reduce: Reduce | None = None,
    tick: Tick | None = None,
) -> Ingested:
    """Read logs into Parquet parts under ``into``, a fresh folder that appears only when all is done.

    ``reduce`` maps each batch of `work.ingested` to what is written; it must keep the rows, their order, and
    the columns ``exchange_id``, ``source_file``, ``source_row``, ``id_digest`` and ``content_digest``. ``tick``
    is told the file and how many of its records have been read. Records of one file that is given twice
    count as duplicates. Where the engine has processes of its own, files are read there, if a reduction can be made in
    parts (``Spreads``) and no source wrote one exchange as several records.

    Raises ``UsageError`` for inputs that do not exist and for an unknown format, ``InputError`` for a named
    file (or a whole folder) that no format recognises.
    """
    files = find(inputs)
    chosen: Format | None = MappedFormat.load(mapping) if mapping is not None else None
    if chosen is None and format is not None:
        chosen = format_named(format)
    with new_folder(Path(into), _replaces_nothing, "fresh folder") as folder:
        run = _Run(folder, files, settings, key, chosen, tick, reduce)
        try:
            with _rare_collections():
                run.read(engine)
                run.join()
        finally:
            run.joiner.close()
            run.sink.close(complete=False)
        run.sink.close()
        reports = run.settle(engine)
        run.sink.close_quarantine()
    return Ingested(
        counts=sum((report.counts for report in reports), Counts()),
        files=reports,
        parts=tuple(into / part.name for part in run.sink.parts),
        quarantine=into / "quarantine.jsonl",
        present=frozenset(run.sink.present),
        set_aside=dict(sorted(run.sink.set_aside.items())),
        unknown_accounts=run.sink.unknown,
        elsewhere=dict(sorted(run.sink.elsewhere.items())),
    )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Python looks for cycles after every 700 objects that are left, and a batch is millions of them without any."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], _COLLECT_AFTER) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Run:
    def __init__(self, folder: Path, files: Sequence[Input], settings: Settings, key: DeploymentKey,
                 chosen: Format | None, tick: Tick | None, reduce: Reduce | None, *, joined: bool = True) -> None:
        self._folder = folder
        self._files = files
        self._settings = settings
        self._chosen = chosen
        self._tick = tick
        self._key = key
        self._reduce = reduce
        self._reads: dict[int, Read] = {}
        self._scoped: Counter[int] = Counter()
        self._merged: Counter[int] = Counter()
        self._duplicates: Counter[int] = Counter()
        self.sink = Sink(folder, settings, key, reduce, self._identity)
        known = {chosen.name: chosen} if chosen is not None else dict(formats())
        size = sum(file.path.stat().st_size for file in files if file.regular and file.path.exists())
        self.joiner: Joiner | Apart = Joiner(folder, settings, known, size) if joined else Apart()
        self._reader = Reader(known, chosen, settings, key, self.sink, self.joiner)

    def _identity(self, file: int) -> str:
        return self._reader.identity(self._files[file].path)

    def read(self, engine: Engine) -> None:
        """Read every file into the sink: in the engine's processes where it has some, else here."""
        unrecognised = self._read_apart(engine)
        if unrecognised is None:
            unrecognised = self._read_here(range(len(self._files)))
        if unrecognised and len(unrecognised) == len(self._files):
            raise unrecognised[0]

    def _read_here(self, numbers: Iterable[int]) -> list[InputError]:
        """Read files; the errors of those that no format recognises and that a folder holds, which are no reason to
        stop."""
        unrecognised: list[InputError] = []
        for number in numbers:
            file = self._files[number]
            self.sink.name(number, file.name)
            read = self._reads[number] = self._one(number, file, unrecognised)
            if self._tick is not None:
                self._tick(file.name, read.records)
        return unrecognised

    def _read_apart(self, engine: Engine) -> list[InputError] | None:
        """As ``_read_here`` all files, a share a task of the engine; ``None`` where that cannot be."""
        reduce = self._reduce
        if not engine.spreads or not self._files or not (reduce is None or isinstance(reduce, Spreads)):
            return None
        # Settings as read are of a class of their own, which no other process knows.
        settings = Settings(**self._settings.model_dump())
        files = [replace(file, path=file.path.absolute()) for file in self._files]
        reads = partial(_read_share, files, settings, self._key, self._chosen)
        share = Share(self._folder.absolute(), shares(self._files, engine.parallel), reads,
                      None if reduce is None else reduce.fresh())
        told = [Told(**orjson.loads(answer)) for answer in engine.spread(share, len(share.of))]
        unrecognised: list[InputError] = []
        apart = not any(one.joins for one in told)
        for one in told if apart else ():
            one.raised()
            self._take_over(one, reduce)
            unrecognised += [InputError(message, remedy=remedy) for message, remedy in one.unrecognised]
        for left in self._folder.glob("share-*"):
            shutil.rmtree(left)
        return unrecognised if apart else None

    def _take_over(self, told: Told, reduce: Spreads | None) -> None:
        """Take what another process made of its share, as if it had been read here."""
        assert told.sink is not None
        folder = self._folder / told.folder
        self.sink.take_over(told.sink, folder)
        if reduce is not None:
            reduce.take_over(folder / "reduction")
        for number, read in told.each():
            self.sink.name(number, self._files[number].name)
            self._reads[number] = read
            if self._tick is not None:
                self._tick(self._files[number].name, read.records)

    def tell(self, numbers: range) -> Told:
        """Read some of the files, for ``_take_over`` in another process."""
        try:
            unrecognised = self._read_here(numbers)
            self.sink.flush()
        finally:
            self.sink.close(complete=False)
            self.sink.close_quarantine()
        return Told(self._folder.name, [(number, asdict(read)) for number, read in self._reads.items()],
                    [(error.message, error.remedy) for error in unrecognised], self.sink.told())

    def _one(self, number: int, file: Input, unrecognised: list[InputError]) -> Read:
        if not file.regular:
            self.sink.refuse(number, 0, BadRecord("unrecognised_file", "no regular file"))
            return Read(records=1)
        tick = None if self._tick is None else partial(self._tick, file.name)
        try:
            return self._reader.read(number, file.path, tick, file.partition)
        except Unrecognised as problem:
            if not file.from_folder:
                raise problem.error() from None
            unrecognised.append(problem.error(folder=file.given))
            self.sink.refuse(number, 0, problem.bad or BadRecord("unrecognised_file", "no format recognises it"))
            bad = problem.bad
            return replace(problem.read, records=1,
                           broken=bad.detail or "" if bad is not None and bad.reason == "unparsable" else "")

    def join(self) -> None:
        """Put together what sources wrote as several records, and hand it to the sink.

        The first record of an exchange is the one that counts as kept, quarantined or out of scope; the others are
        merged into it.
        """
        self.sink.begin_joined()
        for found in self.joiner.exchanges():
            self._merged.update(found.merged)
            self._duplicates.update(found.duplicates)
            for file, place, bad in found.refused:
                self.sink.refuse(file, place, bad)
            try:
                if isinstance(found.value, BadRecord):
                    raise found.value
                row = parse(found.format, found.value, self._key)
            except BadRecord as bad:
                self.sink.refuse(found.file, found.place, bad)
                continue
            if row is OUT_OF_SCOPE:
                self._scoped[found.file] += 1
            else:
                assert isinstance(row, dict)
                self.sink.add(found.file, found.place, row, found.size)

    def settle(self, engine: Engine) -> tuple[FileReport, ...]:
        """Drop repeats, and draw up the account of every file."""
        duplicates = self._duplicates
        for dropped in drop_repeats(self.sink.parts, engine, self._folder, self.sink.joined_from):
            self.sink.unknown -= dropped.unknown
            for file, row, conflict in zip(dropped.files.tolist(), dropped.rows.tolist(),
                                           dropped.conflicts.tolist(), strict=True):
                self.sink.kept[file] -= 1
                if conflict:
                    self.sink.quarantined[file] += 1
                    self.sink.note(file, row, BadRecord("id_conflict"))
                else:
                    duplicates[file] += 1
        reports = []
        for number, file in enumerate(self._files):
            read = self._reads[number]
            counts = Counts(
                records_in=read.records,
                kept=self.sink.kept[number],
                quarantined=self.sink.quarantined[number],
                duplicates=duplicates[number],
                merged=self._merged[number],
                out_of_scope=read.out_of_scope + self._scoped[number],
            )
            if not counts.balanced:
                raise StillwatchError(f"{file.name}: the counts do not add up: {counts.as_dict()}",
                                      remedy="please report this as a bug")
            reports.append(FileReport(file.name, read.format, read.container, read.compression, read.digest, counts,
                                      read.broken))
        return tuple(reports)


def _read_share(files: Sequence[Input], settings: Settings, key: DeploymentKey, chosen: Format | None, folder: Path,
                numbers: range, reduce: Reduce | None) -> Told:
    return _Run(folder, files, settings, key, chosen, None, reduce, joined=False).tell(numbers)


def _replaces_nothing(_: Path) -> bool:
    """Parts belong to one run: a folder that holds anything is somebody's."""
    return False
