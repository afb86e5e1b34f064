"""The repository as others meet it: its size, its top level, and a README that tells the truth."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MIB = 2**20
PACKAGES = ("tokenizer", "gpt_video", "chat_app", "eval")
TOP_LEVEL = {
    *PACKAGES,
    *("tests", "recipes", "docs", ".ci", "pyproject.toml", "constraints.txt", "Makefile", "conftest.py", ".gitignore"),
    *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "MODEL_CARD.md", "EXPERIMENTS.md"),
}


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """Every file that is, or would be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        pytest.skip("optional: not a git checkout")
    return [ROOT / name for name in result.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_tree_is_small(files: list[Path]) -> None:
    assert sum(path.stat().st_size for path in files) < 50 * MIB
    assert [path.name for path in files if path.stat().st_size >= 16 * MIB] == []


def test_the_embedded_model_is_small(files: list[Path]) -> None:
    weights = [path for path in files if path.is_relative_to(ROOT / "gpt_video" / "weights")]
    assert sum(path.stat().st_size for path in weights) < 40 * MIB
    assert not [path.name for path in weights if path.suffix in {".pt", ".pth", ".bin", ".pkl", ".ckpt"}]


def test_the_top_level_is_fixed(files: list[Path]) -> None:
    assert {path.relative_to(ROOT).parts[0] for path in files} <= TOP_LEVEL


def test_source_files_open_with_a_docstring_and_stay_readable(files: list[Path]) -> None:
    for path in files:
        if path.suffix == ".py":
            text = path.read_text("utf-8")
            assert text.startswith('"""'), f"{path.relative_to(ROOT)} does not say what it is"
            assert text.count("\n") <= 450 or path.is_relative_to(ROOT / "tests"), (
                f"{path.relative_to(ROOT)} is too long to read"
            )


def readme_tree() -> dict[str, str]:
    """Path -> purpose, from the indented tree in the README."""
    block = re.search(r"## The tree\n+```\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block, "the README has no tree"
    folders: list[str] = []
    entries: dict[str, str] = {}
    for line in block[1].splitlines():
        match = re.fullmatch(r"( *)(\S+)\s+(\S.*)", line)
        assert match, f"not a line of the tree: {line!r}"
        depth = len(match[1]) // 2
        folders[depth:] = [match[2]]
        entries["".join(folders)] = match[3]
    return entries


def test_the_readme_names_every_module_and_nothing_else(files: list[Path]) -> None:
    entries = readme_tree()
    missing = [name for name in entries if not (ROOT / name).exists()]
    assert missing == [], "the README names what does not exist"
    modules = {
        path.relative_to(ROOT).as_posix() for path in files if path.suffix == ".py" and path.name != "__init__.py"
    }
    unnamed = {name for name in modules if name.startswith((*(f"{p}/" for p in PACKAGES), "recipes/"))} - entries.keys()
    assert unnamed == set(), "the README does not name these"


def test_the_readme_shows_pictures_that_exist() -> None:
    for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8")):
        assert (ROOT / name).is_file(), f"{name} is missing"


def test_links_between_documents_lead_somewhere() -> None:
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8")):
            assert (ROOT / target).exists(), f"{document.name} links to {target}"


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {re.split(r"[\[<>=!~ ]", each)[0].lower().replace("_", "-") for each in wanted} - {"gpt-video"}
    pins = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line[:1] not in ("", "#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    assert names <= {pin.split("==")[0].lower().replace("_", "-") for pin in pins}


def test_packages_are_listed_with_their_subpackages() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    found = {init.parent.relative_to(ROOT).as_posix() for p in PACKAGES for init in (ROOT / p).rglob("__init__.py")}
    assert {name.replace(".", "/") for name in listed} == found
