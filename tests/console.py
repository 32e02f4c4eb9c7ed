"""Pages whose commands are run: what a ``console`` block shows is compared with what comes out.

In a block a line that begins with ``$ `` is a command, lines that begin with ``> `` go on with it, and what follows is
what it prints to standard output. ``…`` stands for whatever is there: within a line for any characters, as a line of
its own for any number of lines. A command must succeed, unless the next one is ``echo $?``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "\x1e"  # what no program here prints, between the outputs of two commands


@dataclass
class Command:
    """One command of a page, its line there (from 1), and the lines that it is shown to print."""

    line: int
    text: str
    shown: list[str] = field(default_factory=list)


def commands(page: str) -> list[Command]:
    """The commands of a page, in order."""
    found: list[Command] = []
    for block in _BLOCK.finditer(page):
        first = page.count("\n", 0, block.start(1)) + 1
        inside: list[Command] = []
        for place, line in enumerate(block[1].splitlines()):
            if line.startswith("$ "):
                inside.append(Command(first + place, line[2:]))
            elif line.startswith("> ") and inside and not inside[-1].shown:
                inside[-1].text += "\n" + line[2:]
            else:
                assert inside, f"line {first + place}: a console block begins with a command"
                inside[-1].shown.append(line.rstrip())
        found += inside
    return found


def matches(shown: list[str], printed: list[str]) -> bool:
    """Whether the lines that are shown, with ``…`` for whatever is there, are the lines printed."""
    parts = [r"(?:.*\n)*" if line.strip() == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
             for line in shown]
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in printed)) is not None


def run(page: list[Command], folder: Path, environment: dict[str, str], seconds: float) -> list[tuple[int, list[str]]]:
    """Run the commands in one shell: exit code and lines printed to standard output, for each.

    ``stillwatch`` is that of the interpreter that runs this. Raises ``subprocess.TimeoutExpired``.
    """
    programs = folder / "bin"
    programs.mkdir()
    shim = programs / "stillwatch"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m stillwatch "$@"\n')
    shim.chmod(0o755)
    script = "".join(f"{command.text}\n_code=$?; printf '\\n%s%s\\n' '{_MARK}' $_code; (exit $_code)\n"
                     for command in page)
    work = folder / "work"
    work.mkdir()
    done = subprocess.run(["bash", "--noprofile", "--norc", "-c", script], cwd=work, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=seconds,
                          env=environment | {"PATH": f"{programs}:{environment['PATH']}"})
    parts = re.split(f"\n{_MARK}(\\d+)\n", done.stdout)[:-1]
    outputs, codes = parts[::2], parts[1::2]
    assert len(codes) == len(page), f"the shell ended early: {done.stderr[-2000:]}"
    return [(int(code), [line.rstrip() for line in text.splitlines()])
            for code, text in zip(codes, outputs, strict=True)]


def problems(page: list[Command], outcomes: list[tuple[int, list[str]]]) -> list[str]:
    """What did not come out as the page shows it."""
    found = []
    for place, (command, (code, printed)) in enumerate(zip(page, outcomes, strict=True)):
        asks = place + 1 < len(page) and page[place + 1].text == "echo $?"
        if code and not asks:
            found.append(f"line {command.line}: exit code {code}: {command.text}")
        if not matches(_trimmed(command.shown), _trimmed(printed)):
            found.append(f"line {command.line}: {command.text}\nprinted\n" + "\n".join(printed)
                         + "\nand the page shows\n" + "\n".join(command.shown))
    return found


def _trimmed(lines: list[str]) -> list[str]:
    """Without empty lines at both ends."""
    return "\n".join(lines).strip("\n").split("\n") if any(lines) else []
