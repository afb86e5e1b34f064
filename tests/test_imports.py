"""The arrows between packages, read from the source: who may import whom, and who owns which library."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "tokenizer": {"tokenizer"},
    "gpt_video": {"gpt_video", "tokenizer"},
    "chat_app": {"chat_app", "gpt_video", "tokenizer"},
    "eval": {"eval", "gpt_video", "tokenizer"},
}
# A library that only these files may import, so that what it knows has one owner.
OWNERS = {
    "av": {"tokenizer/video.py"},
    "gradio": {"chat_app/app.py", "chat_app/widgets.py", "chat_app/api.py"},
    "vector_quantize_pytorch": {"tokenizer/quantizer.py"},
    "mujoco": {"gpt_video/diorama/"},
}
TRAINERS = {"tokenizer.train", "tokenizer.sharpen", "gpt_video.train", "gpt_video.preference", "eval.train"}
SOURCES = sorted(path for package in ALLOWED for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module that a file imports anywhere in it, as written; `from a import b` counts as a and a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = path.relative_to(ROOT).parent.parts[: len(path.relative_to(ROOT).parts) - node.level]
                base = ".".join((*package, base)).strip(".")
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_arrows_point_one_way(path: Path) -> None:
    ours = {name.split(".")[0] for name in imported(path)} & ALLOWED.keys()
    assert ours <= ALLOWED[path.relative_to(ROOT).parts[0]]


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_nobody_imports_a_training_loop(path: Path) -> None:
    if relative(path) != "gpt_video/cli.py":
        assert not imported(path) & TRAINERS


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_has_one_owner(library: str) -> None:
    users = {relative(path) for path in SOURCES if library in {name.split(".")[0] for name in imported(path)}}
    assert {user for user in users if not user.startswith(tuple(OWNERS[library]))} == set()


def test_nothing_imports_the_tests_or_the_recipes() -> None:
    for path in SOURCES:
        assert not {name.split(".")[0] for name in imported(path)} & {"tests", "recipes"}, relative(path)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("chat_app.app", {"torch", "transformers", "av"}),
        ("chat_app.command", {"torch", "gradio"}),
        ("gpt_video.cli", {"torch", "gradio", "transformers"}),
    ],
)
def test_a_command_starts_without_what_it_may_not_need(module: str, heavy: set[str]) -> None:
    line = f"import sys, {module}; print(*({heavy!r} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stdout.strip()) == (0, ""), result.stderr
