"""The laws of the house hold, and each law notices when it is broken."""

from __future__ import annotations

from pathlib import Path

import house_laws as laws
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "stillwatch"
CONFIGURATION = ("tests", "tools", "docs", "benchmarks", "changelog.d", ".ci")


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_law_holds(law):
    assert (SOURCE / "errors.py").exists()
    assert law(SOURCE) == []


def test_no_registry_is_named_outside_the_package_either(tmp_path):
    for folder in CONFIGURATION:
        if (ROOT / folder).exists():
            assert laws.no_registry_is_named(ROOT / folder) == []
    for path in ROOT.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert laws.no_registry_is_named(tmp_path) == []


def test_every_room_of_the_layout_is_known():
    layout = {"errors", "settings", "schema", "engine", *laws.STAGES, "proof", *laws.SURFACES, "pipeline"}
    assert layout <= set(laws.MAY_IMPORT)
    # The layout's ground floor, and `folders`: a leaf that knows only errors, so that one room appears whole or not
    # at all in the same way as another.
    ground = {"schema", "engine", "errors", "settings", "folders"}
    assert all(laws.MAY_IMPORT[stage] == ground for stage in laws.STAGES)
    assert laws.MAY_IMPORT["folders"] == {"errors"}
    # Two rooms beside the layout's: decisions know no stage, and what seals is only let near the whole pipeline.
    assert laws.MAY_IMPORT["cases"] == ground | {"digests"}
    assert laws.MAY_IMPORT["sealing"] == ground | {"digests", "pipeline"}
    assert [room for room, allowed in laws.MAY_IMPORT.items() if "proof" in allowed] == ["cli"]


def tree(root, files):
    root.mkdir()
    for place, text in files.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


# For each law: modules that break it, with what must be said, and modules close by that do not.
BROKEN = {
    laws.rooms_keep_to_themselves: [
        ("link/a.py", "from stillwatch.observe.networks import Networks", "link may not import observe"),
        ("observe/a.py", "import stillwatch.ingest", "observe may not import ingest"),
        ("judge/a.py", "def f():\n    from stillwatch import link", "judge may not import link"),
        ("judge/a.py", "from ..link import pairs", "judge may not import link"),
        ("judge/deep/a.py", "from ...link.pairs import pairs", "judge may not import link"),
        ("ingest/a.py", "from stillwatch.pipeline import scan", "ingest may not import pipeline"),
        ("ingest/a.py", "import importlib\nimportlib.import_module('stillwatch.link')", "ingest may not import link"),
        ("schema/a.py", "from stillwatch.folders import new_folder", "schema may not import folders"),
        ("schema/a.py", "from stillwatch.errors import UsageError", "schema may not import errors"),
        ("pipeline.py", "from stillwatch.proof import simulate", "pipeline may not import proof"),
        ("report/a.py", "from stillwatch.judge import verdict", "report may not import judge"),
        ("console/a.py", "from stillwatch.proof import simulate", "console may not import proof"),
        ("__init__.py", "from stillwatch.proof import simulate", "the package may not import proof"),
        ("engine.py", "import stillwatch.link.pairs", "engine may not import link"),
        ("act/a.py", "from stillwatch.unheard import x", "act may not import unheard"),
        ("cases/a.py", "from stillwatch.judge import verdict", "cases may not import judge"),
        ("sealing/a.py", "from stillwatch.cases import store", "sealing may not import cases"),
        ("judge/a.py", "from stillwatch.cases import honour", "judge may not import cases"),
        ("unheard/a.py", "", "the layout has no room 'unheard'"),
    ],
    laws.engines_and_web_stay_in_their_rooms: [
        ("observe/a.py", "import duckdb", "only engine.py may import duckdb"),
        ("pipeline.py", "def f():\n    import ibis.expr.types as ir", "only engine.py may import ibis"),
        ("cli/a.py", "from polars import col", "only engine.py may import polars"),
        ("proof/a.py", "__import__('pyspark.sql')", "only engine.py may import pyspark"),
        ("report/a.py", "from fastapi import FastAPI", "belongs to the rooms that serve"),
        ("cli/a.py", "from http.server import HTTPServer", "belongs to the rooms that serve"),
    ],
    laws.truth_is_reached_from_proof_alone: [
        ("judge/a.py", "from stillwatch.schema import TRUE_MEMBERS", "TRUE_MEMBERS is reachable from proof alone"),
        ("pipeline.py", "from stillwatch import schema\nx = schema.TRUE_CAMPAIGNS", "TRUE_CAMPAIGNS is reachable"),
        ("link/a.py", "from stillwatch.schema.truth import x", "stillwatch.schema.truth.x is reachable"),
        ("link/a.py", "import stillwatch.schema.truth", "stillwatch.schema.truth is reachable"),
        ("report/a.py", "path = folder / 'truth' / 'members.parquet'", "labels are read and written in proof alone"),
        ("observe/a.py", "open('truth/members.parquet')", "labels are read and written in proof alone"),
    ],
    laws.tables_are_declared_in_schema: [
        ("link/a.py", "import pyarrow as pa\nx = pa.schema([])", "only if schema/ declares it"),
        ("proof/a.py", "import pyarrow\nx = pyarrow.schema([])", "only if schema/ declares it"),
        ("ingest/a.py", "from pyarrow import schema as s\nx = s([])", "only if schema/ declares it"),
        ("judge/a.py", "import pyarrow.parquet as pq\npq.write_table(x, 'y')", "write_table: tables are written in"),
        ("report/a.py", "from pyarrow.parquet import ParquetWriter as W\nfrom x import ParquetWriter\nParquetWriter()",
         "ParquetWriter: tables are written in"),
        ("observe/a.py", "frame.to_parquet('x')", "to_parquet: tables are written in"),
    ],
    laws.raw_text_is_read_by_two_rooms: [
        ("link/a.py", "x = table.column('prompt')", "the column prompt is read"),
        ("judge/a.py", "x = row['response']", "the column response is read"),
        ("pipeline.py", "x = table.select(['ts', 'system_prompt'])", "the column system_prompt is read"),
        ("report/a.py", "x = read_table(path, columns=['prompt'])", "the column prompt is read"),
        ("act/a.py", "x = relation.prompt.length()", "the column prompt is read"),
        ("cli/a.py", "x = getattr(relation, 'prompt')", "the column prompt is read"),
        ("judge/a.py", "x = relation[['ts', 'response']]", "the column response is read"),
    ],
    laws.terminals_print_strings_as_written: [
        ("cli/a.py", "from rich.console import Console", "rich.console.Console: print by `show_parts`"),
        ("report/a.py", "from rich.panel import Panel", "rich.panel.Panel: print by `show_parts`"),
        ("report/a.py", "from rich import print", "rich.print: print by `show_parts`"),
        ("report/a.py", "from rich.text import Text\nText.from_markup('x')", "from_markup: names from logs"),
        ("report/a.py", "console.print('x', markup=True)", "print: say markup=False"),
        ("report/a.py", "console.print('x', emoji=chosen)", "print: say emoji=False"),
        (laws.MAKES_CONSOLES, "from rich.console import Console\nConsole(markup=False)", "Console: say emoji=False"),
        (laws.MAKES_CONSOLES, "from rich.progress import TextColumn\nTextColumn('x')", "TextColumn: say markup=False"),
    ],
    laws.modules_and_functions_stay_short: [
        ("link/a.py", "x = 1\n" * 401, "401 lines"),
        ("link/a.py", "class A:\n    def f(self):\n" + "        x = 1\n" * 50, "f has 51 lines"),
        ("link/a.py", "async def g():\n" + "    x = 1\n" * 60, "g has 61 lines"),
    ],
    laws.no_registry_is_named: [
        ("link/a.py", f"x = 'https://{laws.REGISTRY_HOSTS[0]}/simple'", "names the registry host"),
        ("a.toml", f"index = 'https://files.{laws.REGISTRY_HOSTS[1].upper()}'", "names the registry host"),
        ("deep/down/Makefile", f"# {laws.REGISTRY_HOSTS[2]}", "deep/down/Makefile:1: names the registry host"),
    ],
    laws.exported_names_exist: [
        ("link/a.py", "__all__ = ['absent']", "absent, which does not exist"),
        ("link/a.py", "x = 1\n__all__ = ['x', 'x']", "x twice"),
        ("link/a.py", "__all__ = ['local']\ndef f():\n    local = 1", "local, which does not exist"),
    ],
}
SOUND = {
    laws.rooms_keep_to_themselves: {
        "link/a.py": "from stillwatch import __version__\nfrom stillwatch.schema import EDGES\nfrom . import b\n"
                     "from stillwatch.engine import Engine\nfrom stillwatch.errors import InputError\nimport numpy",
        "link/b.py": "from stillwatch.settings import Settings\nfrom stillwatch.link.a import EDGES",
        "pipeline/a.py": "from stillwatch.link import a\nfrom stillwatch.judge import b\nimport stillwatch.folders",
        "cli/a.py": "from stillwatch.proof import simulate\nfrom stillwatch.report import html",
        "proof/a.py": "from stillwatch.pipeline import scan",
        "report/a.py": "from stillwatch.schema import CAMPAIGNS",
    },
    laws.engines_and_web_stay_in_their_rooms: {
        "engine.py": "import ibis\nimport duckdb",
        "console/a.py": "from starlette.routing import Route",
        "link/a.py": "from stillwatch.engine import Engine\nimport http.client\nx = 'import duckdb'",
    },
    laws.truth_is_reached_from_proof_alone: {
        "proof/a.py": "from stillwatch.schema import TRUE_MEMBERS\nx = 'truth'",
        "cli/a.py": "x = 'truth/members.parquet'",
        "judge/a.py": "'truth'\nx = 'the truth is out there'\nTRUE = True",
    },
    laws.tables_are_declared_in_schema: {
        "schema/a.py": "import pyarrow as pa\nx = pa.schema([])",
        "link/a.py": "x = table.schema\ny = other.schema()",
        "pipeline/a.py": "import pyarrow.parquet as pq\npq.write_table(x, 'y')",
    },
    laws.raw_text_is_read_by_two_rooms: {
        "ingest/a.py": "x = row['prompt']",
        "observe/a.py": "x = table.column('response')",
        "judge/a.py": "KINDS = {'system_prompt': 'family of system prompts'}\nx = 'prompt' in names",
        "cli/a.py": "import typer\ntyper.prompt('Sure?')",
    },
    laws.terminals_print_strings_as_written: {
        laws.MAKES_CONSOLES: "from rich.console import Console\nConsole(stderr=True, markup=False, emoji=False)",
        "report/a.py": "from rich import box\nfrom rich.table import Table\nmarkup = f(Table(box=box.SIMPLE))",
    },
    laws.modules_and_functions_stay_short: {
        "link/a.py": '"""A table, longer than others: one row a term."""\n' + "x = 1\n" * 500,
        "link/b.py": "x = 1\n" * 400,
        "link/c.py": "def f():\n    '''Doc.\n" + "    more\n" * 30 + "    '''\n" + "    x = 1\n" * 49,
        "link/d.py": "def f():\n    '''Longer, since each field is one line: longer.'''\n" + "    x = 1\n" * 80,
    },
    laws.no_registry_is_named: {
        "link/a.py": "x = 'https://example.org/simple'",
        "data/prompts/a.json": f'"{laws.REGISTRY_HOSTS[0]}"',
    },
    laws.exported_names_exist: {
        "link/a.py": "import os.path\nfrom x import y as z\nA: int = 1\nB = C = 2\nD, E = 1, 2\ntry:\n    import q\n"
                     "except ImportError:\n    r = None\nif A:\n    def f(): ...\nclass K: ...\n"
                     "__all__ = ['A', 'B', 'C', 'D', 'E', 'K', 'f', 'os', 'q', 'r', 'z']",
        "link/b.py": "x = 1",
    },
}
CASES = [(law, *case) for law, cases in BROKEN.items() for case in cases]


def test_every_law_has_a_tree_that_breaks_it_and_one_that_does_not():
    assert set(BROKEN) == set(SOUND) == set(laws.LAWS)


@pytest.mark.parametrize(("law", "place", "text", "said"), CASES,
                         ids=[f"{law.__name__}-{number}" for number, (law, *_) in enumerate(CASES)])
def test_law_notices_when_it_is_broken(law, place, text, said, tmp_path):
    found = law(tree(tmp_path / "stillwatch", {"errors.py": "", place: text}))
    assert len(found) == 1
    assert found[0].startswith(f"{place}:")
    assert said in found[0]


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_law_lets_pass_what_keeps_it(law, tmp_path):
    assert law(tree(tmp_path / "stillwatch", SOUND[law])) == []
