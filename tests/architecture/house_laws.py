"""The laws of the house, each a pure function from a source tree to what breaks it there.

``root`` is the folder of the package (``src/stillwatch``, or a made-up one of the same shape). A violation is
``path:line: what is wrong``. Only the text of the modules is read; nothing is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "stillwatch"
STAGES = ("ingest", "observe", "link", "judge", "act")
SURFACES = ("cli", "report", "console")
# Ground floor: what a stage may use besides its own room.
GROUND = frozenset({"schema", "engine", "errors", "settings", "folders"})
# Who may import whom; every room may import itself, the package's own names, and `data`, which holds no code.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "schema": frozenset(),
    "data": frozenset(),
    # What runs inside other people's gateways knows nothing of us.
    "gateways": frozenset(),
    "settings": frozenset({"errors"}),
    "folders": frozenset({"errors"}),
    "engine": frozenset({"errors", "settings", "schema"}),
    **dict.fromkeys(STAGES, GROUND),
    "digests": frozenset(),
    # People's decisions are no stage, but like one they know the ground floor alone.
    "cases": GROUND | {"digests"},
    "pipeline": GROUND | {"cases", "digests", *STAGES},
    # Reruns a scan to compare it with what was sealed.
    "sealing": GROUND | {"digests", "pipeline"},
    "proof": GROUND | {"digests", "pipeline", *STAGES},
    "report": frozenset({"schema", "errors", "settings"}),
    "console": GROUND | {"pipeline", "report", *STAGES},
    "cli": GROUND | {"cases", "pipeline", "proof", "report", "console", "sealing", *STAGES},
    "": GROUND | {"pipeline", *STAGES},
    "__main__": frozenset({"cli"}),
}
ENGINES = frozenset({"ibis", "duckdb", "polars", "pyspark", "sqlglot", "datafusion", "dask", "snowflake"})
WEB = frozenset({
    "fastapi", "starlette", "uvicorn", "flask", "django", "aiohttp", "tornado", "litestar", "quart", "sanic", "bottle",
    "gunicorn", "hypercorn", "socketserver", "wsgiref", "http.server",
})
SERVING = frozenset({"console"})
KNOWS_TRUTH = frozenset({"proof", "cli", "schema"})
WRITES_TABLES = frozenset({"engine", "ingest", "pipeline", "proof"})
TABLE_WRITERS = frozenset({
    "write_table", "ParquetWriter", "write_dataset", "to_parquet", "write_feather", "write_to_dataset", "new_file",
    "new_stream", "RecordBatchFileWriter", "RecordBatchStreamWriter",
})
TEXT_COLUMNS = frozenset({"system_prompt", "prompt", "response"})
READS_TEXT = frozenset({"ingest", "observe", "schema", "proof"})
# Calls through which a column is reached by its name.
COLUMN_GETTERS = frozenset({"column", "columns", "field", "get", "getattr", "select", "pluck", "col", "itemgetter",
                            "attrgetter", "project"})
# Parts of Rich that print strings as their console says. Others read markup whatever it says (a panel's title); what is
# not here has not been looked at.
RICH = frozenset({"rich.box", "rich.console.Group", "rich.console.RenderableType", "rich.padding.Padding",
                  "rich.table.Table", "rich.text.Text"})
MAKES_CONSOLES = "cli/shared.py"
MODULE_LINES = 400
FUNCTION_LINES = 50
# In parts, so that this file names none of them itself.
REGISTRY_HOSTS = tuple(".".join(parts) for parts in (
    ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("anaconda", "org"),
    ("anaconda", "com"), ("crates", "io"), ("maven", "org"), ("rubygems", "org"), ("yarnpkg", "com"), ("ghcr", "io"),
    ("docker", "io"), ("quay", "io"), ("jsdelivr", "net"), ("unpkg", "com"),
))
HOST_FILES = ("Makefile", *(f"*.{end}" for end in ("py", "toml", "txt", "cfg", "ini", "yaml", "yml", "json", "md", "sh",
                                                   "sql", "html", "js", "css")))
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, *((ast.TypeAlias,) if hasattr(ast, "TypeAlias") else ()))


@dataclass(frozen=True)
class Module:
    """One module: where it is, what it says, and which room it belongs to."""

    path: Path
    place: str
    room: str
    text: str
    tree: ast.Module

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.place}:{getattr(node, 'lineno', 1)}: {what}"


def modules(root: Path) -> Iterator[Module]:
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        first = place.parts[0]
        room = "" if place.parts == ("__init__.py",) else first.removesuffix(".py")
        text = path.read_text("utf-8")
        yield Module(path, place.as_posix(), room, text, ast.parse(text, filename=str(path)))


def imported(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every dotted name that the module imports, in functions and by ``import_module`` too."""
    package = [PACKAGE, *Path(module.place).parts[:-1]]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            for alias in node.names:
                yield node, ".".join([*base, *([node.module] if node.module else []), alias.name])
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__") and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield node, name.value


def called(call: ast.Call) -> str:
    """The last part of the name of what is called."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def docstrings(tree: ast.AST) -> set[int]:
    """Identities of the constants that are documentation."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                found.add(id(first.value))
    return found


def strings(module: Module) -> Iterator[tuple[ast.Constant, str]]:
    """String constants that are not documentation, with their values."""
    documentation = docstrings(module.tree)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node, node.value


def rooms_keep_to_themselves(root: Path) -> list[str]:
    """Law 1: a stage imports the ground floor and its own room, never another stage; others as ``MAY_IMPORT`` says."""
    known = {path.name.removesuffix(".py") for path in root.iterdir()}
    found = []
    for module in modules(root):
        if module.room not in MAY_IMPORT:
            found.append(f"{module.place}:1: the layout has no room {module.room!r}")
            continue
        for node, name in imported(module):
            parts = name.split(".")
            if parts[0] != PACKAGE:
                continue
            # `from stillwatch import __version__` names no room.
            is_room = len(parts) > 2 or (len(parts) == 2 and (parts[1] in MAY_IMPORT or parts[1] in known))
            target = parts[1] if is_room else ""
            if target not in ("", "data", module.room) and target not in MAY_IMPORT[module.room]:
                found.append(module.at(node, f"{module.room or 'the package'} may not import {target}"))
    return found


def engines_and_web_stay_in_their_rooms(root: Path) -> list[str]:
    """Law 2: only ``engine.py`` imports an engine library; web frameworks stay in the rooms that serve."""
    found = []
    for module in modules(root):
        for node, name in imported(module):
            library = name.split(".")[0]
            if library in ENGINES and module.place != "engine.py":
                found.append(module.at(node, f"only engine.py may import {library}"))
            web = library in WEB or any(name == web or name.startswith(f"{web}.") for web in WEB)
            if web and module.room not in SERVING:
                found.append(module.at(node, f"{name} belongs to the rooms that serve: {', '.join(sorted(SERVING))}"))
    return found


def truth_is_reached_from_proof_alone(root: Path) -> list[str]:
    """Law 3: declarations and paths of labels are used in ``proof/`` (and the commands that call it) alone."""
    found = []
    for module in modules(root):
        if module.room in KNOWS_TRUTH:
            continue
        found += [module.at(node, f"{name} is reachable from proof alone") for node, name in imported(module)
                  if name.split(".")[-1].startswith("TRUE_") or f"{name}.".startswith(f"{PACKAGE}.schema.truth.")]
        found += [module.at(node, f"{node.attr} is reachable from proof alone") for node in ast.walk(module.tree)
                  if isinstance(node, ast.Attribute) and node.attr.startswith("TRUE_")]
        found += [module.at(node, "labels are read and written in proof alone") for node, text in strings(module)
                  if text == "truth" or text.startswith(("truth/", "truth."))]
    return found


def tables_are_declared_in_schema(root: Path) -> list[str]:
    """Law 4: Arrow schemas are made in ``schema/`` alone, and few rooms write tables."""
    found = []
    for module in modules(root):
        names = {alias.asname or alias.name for node in ast.walk(module.tree) if isinstance(node, ast.Import)
                 for alias in node.names if alias.name == "pyarrow"}
        makes = {alias.asname or alias.name for node in ast.walk(module.tree) if isinstance(node, ast.ImportFrom)
                 and node.module == "pyarrow" for alias in node.names if alias.name == "schema"}
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            by_attribute = (isinstance(node.func, ast.Attribute) and node.func.attr == "schema"
                            and isinstance(node.func.value, ast.Name) and node.func.value.id in names)
            by_name = isinstance(node.func, ast.Name) and node.func.id in makes
            if (by_attribute or by_name) and module.room != "schema":
                found.append(module.at(node, "a table exists only if schema/ declares it"))
            if called(node) in TABLE_WRITERS and module.room not in WRITES_TABLES:
                found.append(module.at(node, f"{called(node)}: tables are written in "
                                             f"{', '.join(sorted(WRITES_TABLES))} alone"))
    return found


def raw_text_is_read_by_two_rooms(root: Path) -> list[str]:
    """Law 5: columns of raw text are reached in ``ingest/`` and ``observe/`` alone (``proof/`` writes them).

    The name by itself may appear: ``system_prompt`` is also a kind of sighting. Reaching a column by it may not. Seen
    are names written out where they are used, not ones that are computed.
    """
    found = []
    for module in modules(root):
        if module.room in READS_TEXT:
            continue
        for node in ast.walk(module.tree):
            found += [module.at(node, f"the column {name} is read in ingest and observe alone")
                      for name in sorted(_columns_reached(node) & TEXT_COLUMNS)]
        methods = {id(node.func) for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
        found += [module.at(node, f"the column {node.attr} is read in ingest and observe alone")
                  for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)
                  and node.attr in TEXT_COLUMNS and id(node) not in methods]
    return found


def _columns_reached(node: ast.AST) -> set[str]:
    """Names by which the node reaches columns: in a subscript, a getter's arguments, or ``columns=``."""
    if isinstance(node, ast.Subscript):
        return _constants(node.slice)
    if isinstance(node, ast.keyword) and node.arg in ("columns", "column_names", "include_columns"):
        return _constants(node.value)
    if isinstance(node, ast.Call) and called(node) in COLUMN_GETTERS:
        return set().union(*map(_constants, node.args)) if node.args else set()
    return set()


def _constants(node: ast.expr) -> set[str]:
    parts = node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else [node]
    return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def terminals_print_strings_as_written(root: Path) -> list[str]:
    """Names from logs are never read as Rich's markup or emoji: one module makes consoles, and these read none."""
    found = []
    for module in modules(root):
        for node, name in imported(module):
            if name.split(".")[0] == "rich" and name not in RICH and module.place != MAKES_CONSOLES:
                found.append(module.at(node, f"{name}: print by `show_parts` and `say` of {MAKES_CONSOLES}; others may"
                                             " read markup"))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute) and node.attr == "from_markup":
                found.append(module.at(node, "from_markup: names from logs are no markup"))
            if isinstance(node, ast.Call):
                found += [module.at(node, f"{called(node)}: say {name}=False") for name in _markup_on(node)]
    return found


def _markup_on(call: ast.Call) -> list[str]:
    """What the call leaves on, or turns on, of Rich's ways to read a string."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    needed = {"Console": ("markup", "emoji"), "TextColumn": ("markup",)}.get(called(call), ())
    return [name for name in ("markup", "emoji") if name in given or name in needed
            if not (isinstance(value := given.get(name), ast.Constant) and value.value is False)]


def modules_and_functions_stay_short(root: Path) -> list[str]:
    """Modules have at most 400 lines and functions 50, unless their docstring says why they are longer."""
    found = []
    for module in modules(root):
        lines = len(module.text.splitlines())
        if lines > MODULE_LINES and "longer" not in (ast.get_docstring(module.tree) or ""):
            found.append(f"{module.place}:1: {lines} lines; split it, or say in its docstring why it is longer")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = _length(node)
                if lines > FUNCTION_LINES and "longer" not in (ast.get_docstring(node) or ""):
                    found.append(module.at(node, f"{node.name} has {lines} lines; split it, or say why it is longer"))
    return found


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the function from ``def`` on, without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def no_registry_is_named(root: Path) -> list[str]:
    """No file of code, configuration or documentation names a host of a package registry.

    ``data`` is left out: it holds other people's texts, which may speak of anything.
    """
    found = []
    for pattern in HOST_FILES:
        for path in sorted(root.rglob(pattern)):
            place = path.relative_to(root)
            if any(part == "data" or part.startswith(".") or part == "__pycache__" for part in place.parts[:-1]):
                continue
            for number, line in enumerate(path.read_text("utf-8", "replace").casefold().splitlines(), start=1):
                found += [f"{place.as_posix()}:{number}: names the registry host {host}"
                          for host in REGISTRY_HOSTS if host in line]
    return found


def exported_names_exist(root: Path) -> list[str]:
    """Every name in ``__all__`` is bound in its module, and is there once."""
    found = []
    for module in modules(root):
        bound = set(_bound(module.tree.body))
        for node in module.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if not any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                continue
            assert isinstance(node, ast.Assign)
            names = ast.literal_eval(node.value)
            found += [module.at(node, f"__all__ names {name}, which does not exist") for name in names
                      if name not in bound]
            found += [module.at(node, f"__all__ names {name} twice") for name in sorted(set(names))
                      if names.count(name) > 1]
    return found


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """Names that the statements bind at the top of a module, in branches too."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, _ASSIGNMENTS):
            yield from (name.id for name in ast.walk(node) if isinstance(name, ast.Name)
                        and isinstance(name.ctx, ast.Store))
        for inner in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from _bound(getattr(node, inner, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _bound(handler.body)


LAWS: tuple[Callable[[Path], list[str]], ...] = (
    rooms_keep_to_themselves,
    engines_and_web_stay_in_their_rooms,
    truth_is_reached_from_proof_alone,
    tables_are_declared_in_schema,
    raw_text_is_read_by_two_rooms,
    terminals_print_strings_as_written,
    modules_and_functions_stay_short,
    no_registry_is_named,
    exported_names_exist,
)
