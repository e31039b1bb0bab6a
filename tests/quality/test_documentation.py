"""Every command and every Python example of the documentation is run, and ends as the documentation says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from quorate.harness.campaign.file import load
from quorate.harness.cli import reference
from quorate.harness.cli.main import COMMANDS, quorate

ROOT = Path(__file__).parents[2]
NOTE = re.compile(r"#\s*(?P<note>(needs: \w+|exits [\d or]+)(; exits [\d or]+)?)\s*$")
# Blocks of a page that are files begin with their name; the tests of that page write and use them.
FILE = re.compile(r"# ([\w./]+\.(?:py|yml))\n")


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def commands(page):
    """Each `$ quorate …` of the page's console blocks: words, allowed exit codes, whether servers are needed."""
    for block in blocks(page, "console"):
        for line in block.splitlines():
            if not line.startswith("$ "):
                continue
            note = NOTE.search(line)
            said = note.group("note") if note else ""
            codes = re.search(r"exits ([\d or]+)", said)
            allowed = {int(code) for code in codes.group(1).split(" or ")} if codes else {0}
            text = line[2:] if note is None else line[2 : note.start()]
            yield shlex.split(text), allowed, "needs: cluster" in said


def walk(page, folder, **environment):
    """Run the page from top to bottom in a fresh folder, as a reader would."""
    shutil.copytree(ROOT / "campaigns", folder / "campaigns")
    ran = 0
    for words, allowed, needs_cluster in commands(page):
        if needs_cluster and os.geteuid() != 0:
            continue
        assert words[0] == "quorate", words
        done = subprocess.run(
            [sys.executable, "-m", "quorate", *words[1:]],
            capture_output=True, text=True, timeout=200, cwd=folder, check=False, env={**os.environ, **environment},
        )  # fmt: skip
        assert done.returncode in allowed, (
            f"{shlex.join(words)} exits {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        assert "\x1b" not in done.stdout + done.stderr, "colours where there is no terminal"
        ran += 1
    assert ran > 0


@pytest.mark.cluster
def test_the_tutorial(tmp_path):
    walk("docs/tutorial.md", tmp_path)


@pytest.mark.parametrize(
    ("words", "at", "offered"),
    [
        ("quorate cam", 1, {"plain,campaign"}),
        ("quorate test --fau", 2, {"plain,--faults", "plain,--fault-interval"}),
        ("quorate list rele", 2, {"plain,releases"}),
    ],
)
def test_the_shell_completes(words, at, offered):
    command = Path(sys.executable).with_name("quorate")
    done = subprocess.run(
        [command], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "_QUORATE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)},
    )  # fmt: skip
    assert set(done.stdout.split()) == offered


def test_the_page_on_ci(tmp_path):
    walk("docs/ci.md", tmp_path)


def test_the_page_on_checking(tmp_path):
    for block in blocks("docs/checking.md", "jsonl"):
        name, _, content = block.partition("\n")
        (tmp_path / name.removeprefix("# ")).write_text(content)
    walk("docs/checking.md", tmp_path)


def test_the_page_on_extending(tmp_path):
    """The page's blocks make a package, which is found through its entry points as an installed one would be."""
    package = tmp_path / "site"
    for block in blocks("docs/extending.md", "python"):
        if found := FILE.match(block):
            target = package / found[1]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block)
    (package / "mine" / "__init__.py").touch()
    project = tomllib.loads(blocks("docs/extending.md", "toml")[0])["project"]["entry-points"]
    about = package / "mine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in parts.items())
            for group, parts in project.items()
        )
    )
    walk("docs/extending.md", tmp_path, PYTHONPATH=str(package))


def examples():
    """Python blocks of the README and the pages of docs/ that stand by themselves."""
    return [
        pytest.param(block, id=f"{page.name}-{number}")
        for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
        for number, block in enumerate(blocks(page, "python"))
        if "# a sketch" not in block and not FILE.match(block)
    ]


@pytest.mark.parametrize("block", examples())
def test_python_examples(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "example", "exec"), {"__name__": "example"})


@pytest.mark.parametrize("file", sorted((ROOT / "campaigns").glob("*.toml")), ids=lambda file: file.stem)
def test_every_campaign_in_the_box_is_valid(file):
    assert load(file).cells


def test_the_campaign_of_the_page_is_valid(tmp_path):
    path = tmp_path / "gate.toml"
    path.write_text(blocks("docs/campaigns.md", "toml")[0])
    campaign = load(path)
    assert len(campaign.cells) == 2 * 3 * 3 - 2 + 1


def test_the_table_of_campaign_keys_is_current():
    assert reference.keys() in (ROOT / "docs/campaigns.md").read_text(), (
        "put the output of `python -m quorate.harness.cli.reference keys` into docs/campaigns.md"
    )


def test_the_command_reference_is_current():
    assert reference.reference() == (ROOT / "docs/reference/cli.md").read_text(), (
        "run `python -m quorate.harness.cli.reference > docs/reference/cli.md`"
    )


def leaves():
    """Every command that can be given, with its click object."""
    context = click.Context(quorate, info_name="quorate")
    found = []
    for name in COMMANDS:
        command = quorate.get_command(context, name)
        inner = command.commands.items() if isinstance(command, click.Group) else [(None, command)]
        found += [pytest.param(name, below, one, id=f"{name} {below or ''}".strip()) for below, one in inner]
    return found


@pytest.mark.parametrize(("name", "below", "command"), leaves())
def test_help_ends_with_two_examples_that_are_understood(name, below, command):
    """Understood: click parses the words of each example without complaint."""
    told = command.get_help(click.Context(command, info_name=name, terminal_width=100, max_content_width=100))
    _, found, tail = told.partition("Examples:\n")
    assert found, "no examples"
    lines = [line.strip() for line in tail.strip().splitlines()]
    assert len(lines) >= 2
    begin = ["quorate", name, *([below] if below else [])]
    for line in lines:
        words = shlex.split(line)
        assert words[: len(begin)] == begin, line
        with click.Context(command, info_name=name, resilient_parsing=True) as context:
            command.make_parser(context).parse_args(words[len(begin) :])


def test_links_between_pages_lead_somewhere():
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "tests/README.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
    wrong = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert wrong == []
