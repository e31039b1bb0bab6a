"""A read-only web server for a store: GET and HEAD, loopback by default, nothing outside the store.

What a store holds may come from elsewhere, so pages and files are kept apart by the browser's own means: a strict
policy on the server's pages, a sandbox without an origin for stored ones, no sniffing of types. Requests must name
this server in their Host header, which keeps foreign web pages from reaching it under a name of theirs.
"""

from __future__ import annotations

import ipaddress
import mimetypes
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from quorate.harness.core import safely
from quorate.harness.core.outcome import Broken
from quorate.harness.core.store import REPORT
from quorate.reports import campaign, compare, matrix, stored
from quorate.reports.html import page
from quorate.reports.matrix import CAMPAIGN
from quorate.reports.output import octets
from quorate.reports.serve import pages
from quorate.reports.serve.index import Index

PORT: Final = 8077
_FILE_BYTES_CHUNK: Final = 1 << 20
_QUERY_LENGTH_MAX: Final = 4096
_SANDBOX: Final = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
)
# Shown as text: what people look at in a run's folder. Anything else is offered as a file.
_TEXTS: Final = frozenset(
    {".log", ".txt", ".json", ".jsonl", ".toml", ".yaml", ".yml", ".conf", ".cfg", ".out", ".err"}
)


class Missing(Exception):  # noqa: N818 - an answer, not a fault
    """The page does not exist."""


class Server(ThreadingHTTPServer):
    """Serves one store. Use `serve_forever`, and `shutdown` from another thread."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, store: Path, host: str = "127.0.0.1", port: int = PORT) -> None:
        """Bind to an address; raise `Broken` where the store is not a folder or the address is not available."""
        if not store.is_dir():
            raise Broken("serve", f"no store at {store}")
        self.index = Index(store)
        self.store = store.resolve()
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise Broken(
                "serve", f"cannot listen on {host}:{port}: {error.strerror or error}; try --port 0"
            ) from error

    @property
    def url(self) -> str:
        """Where to point a browser."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that hung up; anything else is a fault of ours and is shown."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def names(self, host: str) -> bool:
        """Whether a Host header means this server: an address, or localhost; other names only if bound to all."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:  # as of "[evil"
            return False
        bound = str(self.server_address[0])
        if name in {"localhost", bound} or bound in {"0.0.0.0", "::"}:  # noqa: S104 - asked, not bound
            return True
        try:
            return bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def place(self, path: str) -> Path:
        """Return what a path names in the store; raise `Missing` for anything outside it, hidden, or not there."""
        parts = PurePosixPath(path).parts
        if any(part in ("..", "/") or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
            raise Missing
        try:
            found = (self.store / path).resolve()
        except (OSError, RuntimeError, ValueError):
            raise Missing from None
        if not found.is_relative_to(self.store) or not found.exists():
            raise Missing
        return found


def serve(store: Path, host: str = "127.0.0.1", port: int = PORT) -> Server:
    """Return a server bound to an address; the caller runs `serve_forever` and prints `url`."""
    return Server(store, host, port)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version = "quorate"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Answer with a page or a file."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer with the head only."""
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the terminal belongs to who started the server."""

    def _answer(self) -> None:
        try:
            if not self.server.names(self.headers.get("Host", "")):
                self._text(HTTPStatus.FORBIDDEN, "This server does not go by that name.")
                return
            try:
                asked = urlsplit(self.path)
            except ValueError:  # as of "http://[evil/"
                self._text(HTTPStatus.BAD_REQUEST, "That address cannot be read.")
                return
            if len(asked.query) > _QUERY_LENGTH_MAX:
                self._text(HTTPStatus.REQUEST_URI_TOO_LONG, "That question is too long.")
                return
            query = {key: values[-1] for key, values in parse_qs(asked.query).items()}
            self._route(unquote(asked.path), query)
        except Missing:
            self._text(HTTPStatus.NOT_FOUND, "There is nothing here.")
        except Broken as error:
            self._text(HTTPStatus.NOT_FOUND, str(error))
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True

    def _route(self, path: str, query: Mapping[str, str]) -> None:
        if path == "/":
            self._page(pages.runs(self.server.index, query))
        elif path == "/campaigns":
            self._page(pages.campaigns(self.server.index))
        elif path == "/compare":
            self._compare(query)
        elif path.startswith("/store/"):
            self._stored(path.removeprefix("/store/"))
        else:
            raise Missing

    def _compare(self, query: Mapping[str, str]) -> None:
        before, after = (self.server.place(query.get(name, "").strip("/")) for name in ("a", "b"))
        if self.server.store in (before, after):
            raise Missing
        if any(safely.stray(folder, self.server.store) is not None for folder in (before, after)):
            raise Missing
        self._page(compare.render(compare.compare(before, after)))

    def _stored(self, path: str) -> None:
        found = self.server.place(path.rstrip("/"))
        if found.is_dir():
            if not path.endswith("/"):
                # Relative links in a report count from its folder.
                self.send_response(HTTPStatus.MOVED_PERMANENTLY)
                self.send_header("Location", pages.href(path) + "/")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._folder(found, path)
        elif found.is_file():
            self._file(found)
        else:
            raise Missing

    def _folder(self, folder: Path, path: str) -> None:
        """Show a run's or a campaign's report, made now where it was never written; else what is in the folder."""
        if safely.stray(folder, self.server.store) is not None:
            raise Missing
        if (folder / REPORT).is_file():
            self._file(folder / REPORT)
        elif (folder / CAMPAIGN).exists():
            self._page(campaign.render(matrix.read(folder)), _SANDBOX)
        elif pages.is_run(folder):
            self._page(page.render(stored.read(folder)), _SANDBOX)
        else:
            self._page(pages.listing(self.server.store, folder, path))

    def _page(self, content: str, policy: str | None = None) -> None:
        self._send(HTTPStatus.OK, octets(content), "text/html; charset=utf-8", policy)

    def _text(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, (sentence + "\n").encode(), "text/plain; charset=utf-8", "default-src 'none'")

    def _head(self, status: HTTPStatus, kind: str, length: int, policy: str | None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cache-Control", "no-store")
        if policy is not None:
            self.send_header("Content-Security-Policy", policy)
        self.end_headers()

    def _send(self, status: HTTPStatus, content: bytes, kind: str, policy: str | None) -> None:
        self._head(status, kind, len(content), policy)
        if self.command != "HEAD":
            self.wfile.write(content)

    def _file(self, path: Path) -> None:
        if path.name == REPORT:
            kind, policy = "text/html; charset=utf-8", _SANDBOX
        elif path.suffix in _TEXTS:
            kind, policy = "text/plain; charset=utf-8", "default-src 'none'; sandbox"
        else:
            guess = mimetypes.guess_type(path.name)[0] or ""
            kind = guess if guess in ("image/png", "image/jpeg") else "application/octet-stream"
            policy = "default-src 'none'; sandbox"
        try:
            with safely.opened(path) as file:
                left = path.stat().st_size
                self._head(HTTPStatus.OK, kind, left, policy)
                while (
                    self.command != "HEAD" and left > 0 and (chunk := file.read(min(left, _FILE_BYTES_CHUNK)))
                ):
                    self.wfile.write(chunk)
                    left -= len(chunk)
        except OSError as error:
            if isinstance(error, (BrokenPipeError, ConnectionResetError, TimeoutError)):
                raise
            raise Missing from None
