"""The source code that judges or suspects: modules with everything of ours that they stand on, told by a hash.

What belongs to it is read from the code's own imports inside the core packages, so nothing has to be listed: a change
that can alter a finding alters the hash, and ``explain`` says "check changed".
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_CORE = ("knowledge_base", "rules_lib", "detectors")


@cache
def source_hash_of(*modules: str) -> str:
    """The hash of modules and of all that they import in the core. Raises ``ImportError`` where there is no module."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(closure(*modules)):
        digest.update(f"{name}\n{_source(name)}\n".encode())
    return digest.hexdigest()


def closure(*modules: str) -> set[str]:
    """Modules with all modules of the core that they import, directly or not."""
    reached: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _imported(name)
    return reached


@cache
def _imported(module: str) -> tuple[str, ...]:
    """The modules of the core that a module imports; several closures of one program reach it."""
    return tuple(name for name in _named(ast.parse(_source(module))) if _path(name) is not None)


def _named(tree: ast.Module) -> Iterator[str]:
    """Every name of the core that an import statement may mean, whether it is a module or stands in one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_core(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module is not None and _is_core(node.module):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_core(module: str) -> bool:
    return module.partition(".")[0] in _CORE


@cache
def _path(module: str) -> Path | None:
    """The file of a module, ``None`` where there is no module of that name."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    return None if spec is None or spec.origin is None else Path(spec.origin)


@cache
def _source(module: str) -> str:
    path = _path(module)
    if path is None:
        raise ImportError(f"no module {module}")
    return path.read_text(encoding="utf-8")
