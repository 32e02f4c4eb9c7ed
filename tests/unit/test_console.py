"""The runner of pages' commands fails where a page is wrong."""

from __future__ import annotations

import os

import pytest

import console

PAGE = """
Text with `$ no command`.

```console
$ export GREETING=hello
$ printf '%s\\n' "$GREETING" one two
{first}
$ false
$ echo $?
1
```

```sh
this is not run
```
"""


def outcome(page, tmp_path):
    found = console.commands(page)
    return console.problems(found, console.run(found, tmp_path, dict(os.environ), seconds=20))


@pytest.mark.parametrize("shown", ["hello\none\ntwo", "hello\n…", "…", "h…o\n…\ntwo", "hello\none\ntwo\n…"])
def test_what_is_shown_holds(shown, tmp_path):
    assert outcome(PAGE.format(first=shown), tmp_path) == []


@pytest.mark.parametrize("shown", ["hello\ntwo", "hello\none\ntwo\nthree", "…\nthree", "hell\n…", ""])
def test_what_is_not_printed_as_shown_is_named_with_its_line(shown, tmp_path):
    [problem] = outcome(PAGE.format(first=shown), tmp_path)
    assert problem.startswith("line 6: printf ")


def test_a_command_that_fails_is_named_unless_the_page_asks_for_its_code(tmp_path):
    assert [p.splitlines()[0] for p in outcome("```console\n$ true\n$ (exit 3)\n$ true\n```\n", tmp_path)] == [
        "line 3: exit code 3: (exit 3)"]


def test_commands_go_on_over_lines_and_share_one_shell(tmp_path):
    page = "```console\n$ cd / && echo \\\n>   together\ntogether\n```\n\n```console\n$ pwd\n/\n```\n"
    assert [command.line for command in console.commands(page)] == [2, 8]
    assert outcome(page, tmp_path) == []


def test_a_block_that_begins_with_output_is_refused():
    with pytest.raises(AssertionError, match="line 2"):
        console.commands("```console\nno command\n```\n")
