"""`quorate serve`: the results browser."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Any

import click

_LOOPBACK = "127.0.0.1"


@click.command(
    "serve",
    epilog="""\b
Examples:
  quorate serve
  quorate serve /srv/quorate/store --port 9000
""",
)
@click.argument("store", type=click.Path(exists=True, file_okay=False, path_type=Path), default="store")
@click.option(
    "--host",
    default=_LOOPBACK,
    help=f"Address to listen on; any other than loopback exposes the store. [{_LOOPBACK}]",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8077, help="Port; 0 picks a free one. [8077]")
def command(store: Path, host: str, port: int) -> None:
    """Browse, search and compare the runs of STORE, read-only, until Ctrl-C."""
    from quorate.reports.serve import serve  # noqa: PLC0415 - keeps --help quick

    server = serve(store.resolve(), host, port)
    if host != _LOOPBACK:
        click.echo(f"note: everybody who reaches {host} can read these runs", err=True)
    click.echo(f"serving {store} at {server.url}  (Ctrl-C ends it)")

    def end(_signum: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    with contextlib.suppress(KeyboardInterrupt), server:
        server.serve_forever()
