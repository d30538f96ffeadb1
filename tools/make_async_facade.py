"""Write charter_persist/aio/generated/ from the sync classes; with --check, say whether it is up to date.

Every public method becomes one that is awaited, with the same arguments. What yields becomes an asynchronous iterator,
what gives another repository gives its asynchronous form. A property of something that reads is awaited, `await
view.revision`; those of a store and of a unit of work are in memory and stay as they are. What has no form here, a
union of repositories for example, is an error of this tool and not left out.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from charter_persist import store as store_module
from charter_persist.engine.charter import Charter
from charter_persist.journal.ledger import JournalReader
from charter_persist.store import Store
from charter_persist.unit_of_work import ReadView, UnitOfWork

FOLDER = Path(__file__).parent.parent / "charter_persist" / "aio" / "generated"
FACET_MODULES = ("charter_persist.repositories.", "charter_persist.journal.ledger", "charter_persist.engine.queries")
IN_MEMORY = (Store, UnitOfWork)
"""Whose properties read nothing."""
BY_HAND = {Store: {"begin", "read", "run", "watch", "close", "interrupt", "lease", "elect", "stage"}}
"""Methods whose asynchronous form is more than a hop."""
TAKE_THE_LOCK = {"resolve", "scrub"}
"""Methods of a store that take the writer lock; so does each verb of `Charter`, which is known by its ``actor``."""
PARTS: dict[type, dict[str, type]] = {ReadView: {"journal": JournalReader}}
"""Attributes that are made in ``__init__``, where they cannot be seen from outside."""
NOT_PARTS = {"reader", "rows", "contents"}
"""What tools of this package alone use: it reads rows and knows no rule."""
NAMES = {Store: "StoreFacet"}
BASES = {Charter: ("charter_persist.aio.governing", "Governing")}
ITERATORS = {"Iterator", "Iterable", "Generator"}
HEAD = '"""{about} Made by `tools/make_async_facade.py`; do not edit."""\n\nfrom __future__ import annotations\n\n'


def async_name(cls: type) -> str:
    """What the asynchronous form of a class is called."""
    return NAMES.get(cls, f"Async{cls.__name__}")


def home(cls: type) -> str:
    """The generated module that a class goes to."""
    if cls is Store:
        return "store"
    if cls in (ReadView, UnitOfWork):
        return "views"
    if cls.__module__.startswith("charter_persist.engine"):
        return "charter"
    return "journal" if cls is JournalReader else cls.__module__.rpartition(".")[2]


def is_facet(thing: object) -> bool:
    """Whether a class has an asynchronous form of its own: it reads or writes, and is no value."""
    return (
        isinstance(thing, type)
        and thing.__module__.startswith(FACET_MODULES)
        and not dataclasses.is_dataclass(thing)
        and not issubclass(thing, (tuple, str, bytes, int, enum.Enum, BaseException))
    )


@cache
def imported(module: ModuleType) -> dict[str, str]:
    """For each name that a module imports the line that does it."""
    lines = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                lines[alias.asname or alias.name] = f"from {node.module} import {ast.unparse(alias)}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                lines[(alias.asname or alias.name).partition(".")[0]] = f"import {ast.unparse(alias)}"
    return lines


class Module:
    """One generated module."""

    def __init__(self, name: str, about: str) -> None:
        self.name = name
        self.about = about
        self.imports: set[str] = set()
        self.body: list[str] = []

    def text(self) -> str:
        """The whole, formatted."""
        source = HEAD.format(about=self.about) + "\n".join(sorted(self.imports)) + "\n\n\n" + "\n\n".join(self.body)
        known = 'lint.isort.known-first-party=["charter_persist"]'
        for step in (["check", "--select", "I", "--fix", "--config", known], ["format"]):
            source = subprocess.run(
                [
                    Path(sys.executable).parent / "ruff",
                    *step,
                    "--quiet",
                    "--stdin-filename",
                    FOLDER / f"{self.name}.py",
                    "-",
                ],
                input=source,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        return source

    def use(self, annotation: str, module: ModuleType) -> str:
        """Import what an annotation of a module names; returns the annotation."""
        for node in ast.walk(ast.parse(annotation, mode="eval")):
            if isinstance(node, ast.Name):
                if node.id in imported(module):
                    self.imports.add(imported(module)[node.id])
                elif node.id in vars(module):
                    self.imports.add(f"from {module.__name__} import {node.id}")
        return annotation

    def name_of(self, cls: type) -> str:
        """The asynchronous form of a class, imported where it is of another module."""
        if home(cls) != self.name:
            self.imports.add(f"from charter_persist.aio.generated.{home(cls)} import {async_name(cls)}")
        return async_name(cls)

    def sync(self, cls: type) -> str:
        """A sync class, imported."""
        self.imports.add(f"from {cls.__module__} import {cls.__name__}")
        return cls.__name__

    def literal(self, value: object) -> str:
        """A default value as source."""
        if isinstance(value, enum.Enum):
            return f"{self.sync(type(value))}.{value.name}"
        if value is None or isinstance(value, (bool, int, float, str, bytes)) or value == ():
            return repr(value)
        if dataclasses.is_dataclass(value) and value == type(value)():
            return f"{self.sync(type(value))}()"
        raise TypeError(f"no source for the default value {value!r}")


class Method:
    """One method, and how it is called."""

    def __init__(self, module: Module, cls: type, function: Callable[..., Any]) -> None:
        self.module = module
        self.cls = cls
        self.function = function
        self.name = function.__name__
        self.source = sys.modules[function.__module__]
        signature = inspect.signature(function)
        self.parameters = list(signature.parameters.values())[1:]
        self.returns = str(signature.return_annotation)

    def declared(self) -> str:
        """The parameters, with ``self``."""
        parts, bare_star = ["self"], False
        for parameter in self.parameters:
            if parameter.kind is parameter.VAR_POSITIONAL:
                bare_star = True
            elif parameter.kind is parameter.KEYWORD_ONLY and not bare_star:
                parts.append("*")
                bare_star = True
            prefix = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
            text = f"{prefix}{parameter.name}: {self.module.use(str(parameter.annotation), self.source)}"
            if parameter.default is not parameter.empty:
                text += f" = {self.module.literal(parameter.default)}"
            parts.append(text)
        return ", ".join(parts)

    def passed(self) -> str:
        """The arguments as they are handed on."""
        forms = {
            inspect.Parameter.KEYWORD_ONLY: "{0}={0}",
            inspect.Parameter.VAR_POSITIONAL: "*{0}",
            inspect.Parameter.VAR_KEYWORD: "**{0}",
        }
        return ", ".join(forms.get(parameter.kind, "{0}").format(parameter.name) for parameter in self.parameters)

    def written(self) -> str:
        """The asynchronous form."""
        subject = f"{self.cls.__name__}.{self.name}"
        call = f"{self.module.sync(self.cls)}, lambda it: it.{self.name}({self.passed()})"
        result = ast.parse(self.returns, mode="eval").body
        part = vars(self.source).get(self.returns)
        if is_facet(part):
            made = self.module.name_of(part)
            return method(
                f"def {self.name}({self.declared()}) -> {made}",
                f"Async form of `{subject}`; differences: what is wrong with it, its first use says.",
                f"return {made}(self._hop, self._part({call}))",
            )
        if isinstance(result, ast.Subscript) and ast.unparse(result.value) in ITERATORS:
            item = ast.unparse(result.slice)
            self.module.use(item, self.source)
            self.module.imports.add("from collections.abc import AsyncIterator")
            return method(
                f"def {self.name}({self.declared()}) -> AsyncIterator[{item}]",
                f"Async form of `{subject}`; differences: it is begun by its first item, and reads ahead a little.",
                f"return self._each({call})",
            )
        for node in ast.walk(result):
            found = vars(self.source).get(node.id) if isinstance(node, ast.Name) else None
            if is_facet(found) or (isinstance(node, ast.Name) and "ContextManager" in node.id):
                raise TypeError(f"{subject} returns {self.returns}: there is no asynchronous form for that")
        returned = self.module.use(self.returns, self.source)
        how = "_write" if self.takes_the_lock() else "_do"
        return method(
            f"async def {self.name}({self.declared()}) -> {returned}",
            f"Async form of `{subject}`.",
            ("" if returned == "None" else "return ") + f"await self.{how}({call})",
        )

    def takes_the_lock(self) -> bool:
        """Whether it is a unit of work by itself."""
        if self.cls is Store:
            return self.name in TAKE_THE_LOCK
        return self.cls is Charter and any(parameter.name == "actor" for parameter in self.parameters)


def method(declaration: str, doc: str, body: str) -> str:
    """The source of a method."""
    return f'    {declaration}:\n        """{doc}"""\n        {body}\n'


def written_property(module: Module, cls: type, name: str, getter: Callable[..., Any]) -> str:
    """The asynchronous form of a property."""
    source = sys.modules[getter.__module__]
    kind = module.use(str(inspect.signature(getter).return_annotation), source)
    call = f"{module.sync(cls)}, lambda it: it.{name}"
    if cls in IN_MEMORY:
        return "    @property\n" + method(
            f"def {name}(self) -> {kind}", f"As `{cls.__name__}.{name}`.", f"return self._look({call})"
        )
    module.imports.add("from collections.abc import Awaitable")
    return "    @property\n" + method(
        f"def {name}(self) -> Awaitable[{kind}]",
        f"Async form of `{cls.__name__}.{name}`; differences: the property is awaited.",
        f"return self._do({call})",
    )


def written_part(module: Module, cls: type, name: str, part: type) -> str:
    """The asynchronous form of an attribute that is a repository."""
    made = module.name_of(part)
    module.imports.add("from functools import cached_property")
    return "    @cached_property\n" + method(
        f"def {name}(self) -> {made}",
        f"Async form of `{cls.__name__}.{name}`.",
        f"return {made}(self._hop, self._part({module.sync(cls)}, lambda it: it.{name}))",
    )


def parts_of(cls: type) -> dict[str, type]:
    """The attributes of a class that are repositories: those made when they are first used, and those of `PARTS`."""
    made = {name: value._make for name, value in vars(cls).items() if type(value).__name__ == "_Lazy"}
    lazy = {name: part_of(make) for name, make in made.items() if name not in NOT_PARTS}
    for name, part in lazy.items():
        if not is_facet(part):
            raise TypeError(f"{cls.__name__}.{name} is made by {made[name]!r}: there is no asynchronous form for that")
    return lazy | {name: part for name, part in PARTS.get(cls, {}).items() if name not in lazy}


def part_of(make: Any) -> Any:
    """What makes a repository: its class, or a function that says which one it returns."""
    if isinstance(make, type):
        return make
    return vars(sys.modules[make.__module__]).get(str(inspect.signature(make).return_annotation))


def base_of(cls: type) -> type | None:
    """The base class that has an asynchronous form, or None."""
    return next((base for base in cls.__bases__ if is_facet(base)), None)


def public(cls: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that a class defines itself, and ``__call__``."""
    for name, value in vars(cls).items():
        if name not in BY_HAND.get(cls, set()) and (not name.startswith("_") or name == "__call__"):
            yield name, value


def written_class(module: Module, cls: type) -> str:
    """The asynchronous form of a class."""
    base = base_of(cls)
    bases = [module.name_of(base)] if base else []
    if cls in BASES:
        place, name = BASES[cls]
        module.imports.add(f"from {place} import {name}")
        bases.insert(0, name)
    if not bases:
        module.imports.add("from charter_persist.aio.facet import Facet")
        bases = ["Facet"]
    members = [written_part(module, cls, name, part) for name, part in parts_of(cls).items()]
    for name, value in public(cls):
        if isinstance(value, property) and value.fget is not None:
            members.append(written_property(module, cls, name, value.fget))
        elif inspect.isfunction(value):
            members.append(Method(module, cls, value).written())
    doc = f'    """Async form of `{cls.__name__}`."""\n'
    return f"class {async_name(cls)}({', '.join(bases)}):\n{doc}\n" + "\n".join(members)


def reached(cls: type, seen: dict[type, None]) -> None:
    """Note a class behind every class that it stands on or leads to."""
    if cls in seen:
        return
    base = base_of(cls)
    leads = [base] if base else []
    leads += parts_of(cls).values()
    for _, value in public(cls):
        if inspect.isfunction(value):
            made = vars(sys.modules[value.__module__]).get(str(inspect.signature(value).return_annotation))
            leads += [made] if is_facet(made) and made is not cls else []
    for other in leads:
        reached(other, seen)
    seen.setdefault(cls)


def connect_module() -> Module:
    """`connect_async`, with the arguments of `connect`."""
    module = Module("connect", "Opening a store for asyncio.")
    module.imports |= {
        "from functools import partial",
        "from charter_persist.aio.store import AsyncStore, open_async",
        "from charter_persist.store import connect",
    }
    parts, passed = [], []
    for parameter in inspect.signature(store_module.connect).parameters.values():
        text = f"{parameter.name}: {module.use(str(parameter.annotation), store_module)}"
        if parameter.default is not parameter.empty:
            text += f" = {default_of(module, parameter)}"
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        parts.append(text)
        passed.append(
            f"{parameter.name}={parameter.name}" if parameter.kind is parameter.KEYWORD_ONLY else parameter.name
        )
    module.body.append(
        f"async def connect_async({', '.join(parts)}) -> AsyncStore:\n"
        '    """Async form of `connect`; differences: the store belongs to the running event loop."""\n'
        f"    open_store = partial(connect, {', '.join(passed)})\n"
        "    return await open_async(open_store, timeout_s=unit_timeout_s)\n"
    )
    return module


def default_of(module: Module, parameter: inspect.Parameter) -> str:
    """A default value of `connect` as source: by its name where it is a constant of the package."""
    for name, line in imported(store_module).items():
        if name.isupper() and getattr(store_module, name) is parameter.default:
            module.imports.add(line)
            return name
    return module.literal(parameter.default)


ABOUT = {
    "views": "Views and units of work for asyncio.",
    "store": "The calls of a store for asyncio that are one hop each.",
    "charter": "The verbs of governance for asyncio.",
    "journal": "The journal for asyncio.",
}


def pages() -> dict[Path, str]:
    """The text of each generated file."""
    classes: dict[type, None] = {}
    for root in (ReadView, UnitOfWork, Charter, Store):
        reached(root, classes)
    modules: dict[str, Module] = {}
    for cls in classes:
        name = home(cls)
        about = ABOUT.get(name, f"`{cls.__module__.removeprefix('charter_persist.')}` for asyncio.")
        module = modules.setdefault(name, Module(name, about))
        module.body.append(written_class(module, cls))
    texts = [*modules.values(), connect_module()]
    init = '"""The sync classes for asyncio, one module for each of theirs. Made by `tools/make_async_facade.py`."""\n'
    return {FOLDER / "__init__.py": init} | {FOLDER / f"{module.name}.py": module.text() for module in texts}


if __name__ == "__main__":
    made = pages()
    if "--check" in sys.argv:
        stale = [path.name for path, text in made.items() if not path.exists() or path.read_text() != text]
        stale += [path.name for path in FOLDER.glob("*.py") if path not in made]
        sys.exit(f"charter_persist/aio/generated is out of date: {', '.join(stale)}" if stale else 0)
    for path, text in made.items():
        path.write_text(text)
