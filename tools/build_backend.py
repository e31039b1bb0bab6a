"""maturin, shown a tree in which `quorate/` holds its parts instead of links to them.

In the repository `quorate/harness` and the like link to folders at the top (docs/decisions/layout.md).
An editable install uses those links as they are. maturin's wheels and source archives leave linked folders out, so both
are built from a copy in which the links have been followed. A wheel for Linux also gets the clock helper, compiled,
so that clock faults need no compiler where it is installed. For publication the README's links are made absolute.
Everything else is maturin's.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import maturin
from maturin import (  # noqa: F401 - hooks that need no copy
    build_editable,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
)

_RELATIVE = r"(?!https?://|#|mailto:)([^)\s]+)"
_LEFT_OUT = shutil.ignore_patterns(
    ".git",
    ".venv",
    "target",
    "store",
    "dist",
    "build",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
    "*.so",
    "_native",
)


@contextlib.contextmanager
def _followed() -> Iterator[None]:
    """Work in a copy of the tree with its links followed; cargo keeps building in the tree's own target folder."""
    top = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="quorate-wheel-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(top, copy, ignore=_LEFT_OUT)
        os.environ.setdefault("CARGO_TARGET_DIR", str(top / "checkers" / "native" / "target"))
        os.chdir(copy)
        publish(copy, os.environ.get("QUORATE_REPOSITORY"), os.environ.get("QUORATE_REF", "main"))
        try:
            yield
        finally:
            os.chdir(top)


def publish(tree: Path, repository: str | None, ref: str) -> None:
    """Make the README's links absolute and name the repository's pages, for readers of a package registry.

    `repository` is the address of the repository's page, which whoever builds for publication knows
    (`QUORATE_REPOSITORY`, `QUORATE_REF`); without it nothing is changed.
    """
    if not repository:
        return
    base = repository.rstrip("/")
    readme, project = tree / "README.md", tree / "pyproject.toml"
    text = readme.read_text("utf-8")
    text = re.sub(rf"(!\[[^\]]*\]\(){_RELATIVE}", rf"\g<1>{base}/raw/{ref}/\g<2>", text)
    text = re.sub(rf"(?<!!)(\[[^\]]*\]\(){_RELATIVE}", rf"\g<1>{base}/blob/{ref}/\g<2>", text)
    readme.write_text(text, "utf-8")
    pages = {
        "Homepage": base,
        "Documentation": f"{base}/tree/{ref}/docs",
        "Changelog": f"{base}/blob/{ref}/CHANGELOG.md",
        "Issues": f"{base}/issues",
    }
    urls = "\n[project.urls]\n" + "".join(f'{name} = "{address}"\n' for name, address in pages.items())
    project.write_text(project.read_text("utf-8") + urls, "utf-8")


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel into `wheel_directory`; return its name (PEP 517)."""
    target = str(Path(wheel_directory).resolve())
    with _followed():
        _add_clock_helper(Path("quorate/nemesis/clock"))
        return str(maturin.build_wheel(target, config_settings, metadata_directory))


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: dict[str, Any] | None = None
) -> str:
    """Write what the wheel says of itself; return the folder's name (PEP 517)."""
    target = str(Path(metadata_directory).resolve())
    with _followed():
        return str(maturin.prepare_metadata_for_build_wheel(target, config_settings))


def build_sdist(sdist_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Build the source archive into `sdist_directory`; return its name (PEP 517)."""
    target = str(Path(sdist_directory).resolve())
    with _followed():
        return str(maturin.build_sdist(target, config_settings))


def _add_clock_helper(package: Path) -> None:
    """Compile the clock helper into the package, where this machine can; else it is compiled where it is needed."""
    compiling = _loaded(package / "compiling.py")
    machine = platform.machine()
    if sys.platform != "linux" or machine not in compiling.MACHINES:
        return
    try:
        compiling.compile_helper(package / "native", package / "native/built" / f"{compiling.NAME}-{machine}")
    except (compiling.CompileError, OSError) as error:
        print(f"quorate: this wheel is built without the clock helper: {error}", file=sys.stderr)  # noqa: T201


def _loaded(path: Path) -> ModuleType:
    """Load one module by its path: the package it is in cannot be imported before it is built."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
