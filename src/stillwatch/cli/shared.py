"""What commands share: errors, the key, progress."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Annotated, ParamSpec

import typer
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from stillwatch.cli.trouble import machine_trouble
from stillwatch.errors import StillwatchError
from stillwatch.report.clean import clean
from stillwatch.schema.model import SchemaError
from stillwatch.settings import DeploymentKey, create_key, key_path, load_key

__all__ = [
    "EngineName",
    "FormatName",
    "Inputs",
    "JsonFlag",
    "MappingFile",
    "Memory",
    "ProgressWatcher",
    "Quietly",
    "Seed",
    "SparkMaster",
    "Threads",
    "count_identity",
    "deployment_key",
    "guarded",
    "messages",
    "say",
    "show_parts",
]

P = ParamSpec("P")



def _console(*, stderr: bool = False) -> Console:
    # Rich reads a string as markup wherever it meets one: `[/]` in a table's cell ends the program, `:skull:` becomes
    # a skull. Names from logs are such strings, so no console of ours reads any; a law of the house keeps it so.
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


messages = _console(stderr=True)

Inputs = Annotated[list[str], typer.Argument(
    metavar="INPUT", help="Files, folders or globs: JSONL (plain, .gz, .zst), Parquet or CSV; the format is detected"
    " from content.")]
FormatName = Annotated[str | None, typer.Option("--format", help="Log format, instead of detecting it.")]
MappingFile = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="YAML file, column → path, for a"
                                                  " format that is not known.")]
EngineName = Annotated[str | None, typer.Option(help="Engine for the table work: duckdb, or spark, which reads logs,"
                                                " reduces text and sums up on a cluster (pip install"
                                                " 'stillwatch[spark]'; Java 17).")]
SparkMaster = Annotated[str | None, typer.Option("--spark-master", metavar="URL", help="Where the engine spark runs, by"
                                                 " default in local[*]: this machine. All of a cluster's machines must"
                                                 " see the logs and the findings folder under the same paths.")]
Seed = Annotated[int | None, typer.Option(help="Seed of every randomised step.")]
Memory = Annotated[str | None, typer.Option(help="Memory limit of the engine, such as 4GB.")]
Threads = Annotated[int | None, typer.Option(help="Threads of the engine; 0 for one a core.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON summary to standard output, nothing else.")]
Quietly = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no messages but errors.")]


def say(text: str, *, style: str = "") -> None:
    """Say something on standard error; whatever came from data is made harmless."""
    messages.print(clean(text), style=style or None, soft_wrap=True)


def show_parts(parts: Iterable[RenderableType]) -> None:
    """Print a command's result on standard output, part by part; strings are printed as they are written."""
    # Made anew, since a terminal's width may have changed.
    console = _console()
    for part in parts:
        console.print(part)


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn errors into messages and exit codes: 1 the work failed, 2 the call was wrong, 130 interrupted.

    An unexpected error is reported by its kind and place only: its text might quote a prompt. Set
    ``STILLWATCH_DEBUG=1`` for the whole traceback, on data of your own.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (StillwatchError, SchemaError) as error:
            say(f"Error: {error.message}", style="bold red")
            say(f"  Hint: {error.remedy}")
            _say_notes(error)
            raise typer.Exit(getattr(error, "exit_code", 1)) from None
        except KeyboardInterrupt as error:
            say("Interrupted: nothing was written.")
            _say_notes(error)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except Exception as error:
            if isinstance(error, typer.Exit) or os.environ.get("STILLWATCH_DEBUG") == "1":
                raise
            code = _unexpected(error)
            _say_notes(error)
            raise typer.Exit(code) from None

    return run


def _say_notes(error: BaseException) -> None:
    """What whoever let the error pass knows of how to go on."""
    for note in getattr(error, "__notes__", ()):
        say(f"  {note}")


def _unexpected(error: Exception) -> int:
    said = machine_trouble(error)
    if said is not None:
        say(f"Error: {said[0]}", style="bold red")
        say(f"  Hint: {said[1]}")
        return 1
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "stillwatch" in f.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
    say(f"Error: unexpected {type(error).__name__} at {place}", style="bold red")
    say("  Hint: this is a fault of Stillwatch; please report it with that line. STILLWATCH_DEBUG=1 shows more, and"
        " may show prompts")
    return 1


def count_identity(counts: Mapping[str, int]) -> str:
    """What became of every record that was read."""
    parts = ("kept", "quarantined", "duplicates", "merged", "out_of_scope")
    return (f"records in = {' + '.join(part.replace('_', ' ') for part in parts)}:"
            f" {counts['records_in']} = {' + '.join(str(counts[part]) for part in parts)}")


def deployment_key(quiet: bool = False) -> DeploymentKey:
    """The deployment key; made on first use."""
    key = load_key()
    if key is None:
        key = create_key()
        if not quiet:
            say(f"Made a deployment key: {key_path()} (keep it safe; digests of other deployments cannot be compared"
                " with yours)")
    return key


class _Rate(ProgressColumn):
    """Steps a second, for stages that name their unit."""

    def render(self, task: Task) -> Text:
        unit = task.fields.get("unit")
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {unit}/s" if unit and speed else "")


class ProgressWatcher:
    """Shows stages on a terminal as a live line, elsewhere as one line a stage."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._live = not quiet and messages.is_terminal
        self._task: TaskID | None = None
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=24),
            MofNCompleteColumn(), _Rate(), TimeElapsedColumn(), console=messages, transient=True,
            disable=not self._live,
        )

    def __enter__(self) -> ProgressWatcher:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._progress.stop()

    def stage(self, name: str, total: int | None = None, unit: str = "") -> None:
        """A stage begins; with a ``unit`` its steps are shown by the second."""
        if self._live:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(name, total=total, unit=unit)
        elif not self._quiet:
            say(f"{name} …")

    def tick(self, done: int, total: int | None = None) -> None:
        """The stage has done ``done`` steps so far, of ``total`` where that is known better by now."""
        if self._live and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)
