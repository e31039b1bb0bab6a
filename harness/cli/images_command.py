"""`quorate images`: node images for Docker."""

from __future__ import annotations

import click


@click.group(
    "images",
    epilog="""\b
Examples:
  quorate images list
  quorate images build jre
""",
)
def command() -> None:
    """Node images: built from Debian's packages; servers are put in when a run starts."""


@command.command("list", epilog="\b\nExamples:\n  quorate images list\n  quorate images list | grep built\n")
def show() -> None:
    """List every kind of image and whether the engine has it."""
    from quorate.harness.cluster.docker.images import list_images  # noqa: PLC0415 - keeps --help quick

    for image in list_images():
        state = f"built, {image.bytes / 1e6:.0f} MB" if image.built else "not built"
        click.echo(f"{image.kind:<6} {image.tag}  {state}")


@command.command("build", epilog="\b\nExamples:\n  quorate images build\n  quorate images build jre\n")
@click.argument("kinds", nargs=-1)
def build(kinds: tuple[str, ...]) -> None:
    """Build the images of these KINDS, or all; those that are there already cost nothing."""
    from quorate.harness.cluster.docker.images import ensure_image, recipes  # noqa: PLC0415 - keeps --help quick

    for kind in kinds or tuple(recipes().kinds):
        tag = ensure_image(kind, progress=lambda line: click.echo(line, err=True))
        click.echo(f"{kind}: {tag}")
