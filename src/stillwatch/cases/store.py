"""The file that cases are in: opened, migrated, locked while it is written.

SQLite in WAL mode. Every act is one transaction that takes the write lock before it reads, so that of two processes
at once the second sees what the first did; a killed process leaves the act done or not done.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from stillwatch.errors import InputError, UsageError

__all__ = ["MIGRATIONS", "Store", "open_store"]

MIGRATIONS = Path(__file__).parent / "migrations"
_WAIT_SECONDS = 30.0
_HEADER = b"SQLite format 3\x00"


class Store:
    """An open case store; get one from ``open_store``."""

    def __init__(self, path: Path, engine: sa.Engine) -> None:
        self.path = path
        self._engine = engine

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the store."""
        with _explained(self.path), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that nobody else writes beside; it is kept when the block ends well, else nothing is."""
        with (_explained(self.path),
              self._engine.connect().execution_options(write=True) as connection, connection.begin()):
            yield connection

    def forget(self) -> bool:
        """Move everything from the write-ahead log into the file and empty the log.

        What was deleted is then on no page of either (``secure_delete`` overwrites it). ``False`` where another process
        is using the store, so that the log had to stay.
        """
        with _explained(self.path), self._engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            busy, *_ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy


def open_store(path: Path, *, create: bool, migrations: Path = MIGRATIONS) -> Store:
    """Open a case store, bringing it up to date first; all migrations happen or none.

    Raises ``UsageError`` where there is none and ``create`` is false, ``InputError`` where the file is no case store,
    belongs to a newer program, or cannot be migrated; then it is as it was.
    """
    _check_place(path, create)
    url = sa.URL.create("sqlite", database=str(path.absolute()))
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": _WAIT_SECONDS})
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    store = Store(path, engine)
    _migrate(store, migrations)
    return store


def _check_place(path: Path, create: bool) -> None:
    if not path.exists():
        if not create:
            raise UsageError(f"there is no case store {path}",
                             remedy="open a case first: `stillwatch case open FINDINGS CAMPAIGN`; or name another with"
                             " --store")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Made here, and not by SQLite, so that nobody else can ever read it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    if not path.is_file():
        raise UsageError(f"{path} is no file", remedy="name a case store with --store")
    with path.open("rb") as stream:
        if stream.read(len(_HEADER)) not in (_HEADER, b""):
            raise InputError(f"{path} is no case store", remedy="name another with --store")
    # By a connection that changes nothing: the other ones set the journal's mode, which is written to the file.
    with contextlib.closing(sqlite3.connect(path, timeout=_WAIT_SECONDS)) as connection, _explained(path):
        tables = {name for name, in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and "alembic_version" not in tables:
        raise InputError(f"{path} is a database of something else", remedy="name another with --store")


def _prepare(connection: Any, _: object) -> None:
    # The driver must not begin transactions of its own: when they begin, and how, decides who waits for whom.
    connection.isolation_level = None
    for line in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {line}")


def _begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sqlite3.OperationalError) as error:
        # The driver's own words, never the statement: its parameters name accounts.
        said = str(error.orig if isinstance(error, sa.exc.OperationalError) else error)
        remedy = ("another process is writing it: try again" if "locked" in said else
                  "check free space and permissions; what was stored is unchanged")
        raise InputError(f"the case store {path} cannot be used: {said}", remedy=remedy) from error
    except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
        raise InputError(f"the case store {path} is damaged: {getattr(error, 'orig', error)}",
                         remedy="restore it from a backup, or name another with --store") from error


def _migrate(store: Store, migrations: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    with store.reading() as connection:
        if MigrationContext.configure(connection).get_current_revision() == head:
            return
    with store.writing() as connection:
        # Looked at again under the lock: another process may have migrated meanwhile.
        found = MigrationContext.configure(connection).get_current_revision()
        if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
            raise InputError(f"the case store {store.path} was written by a newer Stillwatch (revision {found!r:.40})",
                             remedy="update Stillwatch; the store is unchanged")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except sa.exc.SQLAlchemyError as error:
            raise InputError(f"the case store {store.path} could not be brought up to date:"
                             f" {getattr(error, 'orig', None) or type(error).__name__}",
                             remedy="the store is as it was; please report this") from error
