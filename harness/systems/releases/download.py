"""Files over HTTP: resumed where they were cut off, with progress, through the proxies of the environment.

`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` and `REQUESTS_CA_BUNDLE` are heeded, as `requests` does.
"""

from __future__ import annotations

import hashlib
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from quorate.harness.core.outcome import Broken
from quorate.harness.systems.releases import tools
from quorate.harness.systems.releases.way import Progress

if TYPE_CHECKING:
    import requests

_PROBE_S: Final = 3.0
_TIMEOUT_S: Final = (5.0, 20.0)  # to connect, and between two pieces
_DEADLINE_S: Final = 1800.0
_TRIES: Final = 5  # that end without one new byte
_PAUSE_S: Final = 0.5
_PIECE: Final = 1 << 13  # what is lost of a transfer that is cut
_TELL_S: Final = 1.0
_MIB: Final = 1 << 20
_TEXT_LIMIT: Final = 16 * _MIB

_OK, _PARTIAL, _MISSING, _PAST_THE_END = 200, 206, 404, 416


@cache
def unreachable(base: str) -> str | None:
    """Say that the host of an address does not answer, or None; asked once a process, within a few seconds."""
    import requests  # noqa: PLC0415 - a tenth of a second that only downloads pay

    try:
        requests.head(base, timeout=_PROBE_S, allow_redirects=False)
    except requests.RequestException as error:
        return f"{_host(base)} does not answer ({_reason(error)})"
    return None


def exists(url: str) -> bool | None:
    """Whether there is such a file; None where no source says."""
    import requests  # noqa: PLC0415 - a tenth of a second that only downloads pay

    try:
        answer = requests.head(url, timeout=_TIMEOUT_S, allow_redirects=True)
    except requests.RequestException:
        return None
    if answer.status_code == _MISSING:
        return False
    return True if answer.ok else None


def data(url: str) -> bytes:
    """Return a small file; raises `Broken`: `not-there` where there is none, `no-download` where it does not come."""
    import requests  # noqa: PLC0415 - a tenth of a second that only downloads pay

    try:
        answer = requests.get(url, timeout=_TIMEOUT_S)
    except requests.RequestException as error:
        raise Broken("no-download", f"{url}: {_reason(error)}") from error
    _check_status(url, answer)
    if len(answer.content) > _TEXT_LIMIT:
        raise Broken("no-download", f"{url} is larger than {_TEXT_LIMIT // _MIB} MB")
    return answer.content


def fetch(url: str, folder: Path, progress: Progress, *, deadline_s: float = _DEADLINE_S) -> Path:
    """Download into the folder, going on with what an earlier try left there; return the file. Blocks.

    A cut transfer is taken up again, also by the next process. What has come is not checked: that is the caller's
    part, who removes it where it is wrong. Raises `Broken` as `data` does.
    """
    import requests  # noqa: PLC0415 - a tenth of a second that only downloads pay

    folder.mkdir(parents=True, exist_ok=True)
    name = url.rpartition("/")[2]
    key = hashlib.sha256(url.encode()).hexdigest()[:12]
    done, part, tag = (folder / f"{key}-{name}{end}" for end in ("", ".part", ".etag"))
    if done.is_file():
        return done
    end = time.monotonic() + deadline_s
    fruitless = 0
    # Not `until`: attempts that get further are not counted.
    while True:
        before = _size(part)
        try:
            _go_on(url, part, tag, end, progress)
            break
        except (requests.RequestException, OSError) as error:
            fruitless = 0 if _size(part) > before else fruitless + 1
            if fruitless >= _TRIES or time.monotonic() > end:
                raise Broken("no-download", f"{url}: {_reason(error)}") from error
            progress(f"{name}: {_reason(error)}; going on")
            time.sleep(_PAUSE_S)
            tools.check_given_up()
    part.rename(done)
    tag.unlink(missing_ok=True)
    return done


def _go_on(url: str, part: Path, tag: Path, end: float, progress: Progress) -> None:
    """Ask for what is missing and append it; a server that sends the whole, or another file, begins anew."""
    import requests  # noqa: PLC0415 - a tenth of a second that only downloads pay

    there = _size(part)
    headers = {"Accept-Encoding": "identity"}  # a range counts the bytes that are sent
    if there and tag.is_file():
        headers |= {"Range": f"bytes={there}-", "If-Range": tag.read_text()}
    with requests.get(url, timeout=_TIMEOUT_S, headers=headers, stream=True) as answer:
        if answer.status_code == _PAST_THE_END and _total(answer) == there:
            return
        _check_status(url, answer)
        resumed = answer.status_code == _PARTIAL
        # Without a strong tag a changed file could not be distinguished from the one that was begun.
        mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if mark and not mark.startswith("W/"):
            tag.write_text(mark)
        else:
            tag.unlink(missing_ok=True)
        got = there if resumed else 0
        whole = got + int(answer.headers.get("Content-Length", 0))
        told = time.monotonic()
        with part.open("ab" if resumed else "wb") as file:
            for piece in answer.iter_content(_PIECE):
                file.write(piece)
                got += len(piece)
                tools.check_given_up()
                now = time.monotonic()
                if now > end:
                    raise Broken("no-download", f"{url} had not come in time ({_of(got, whole)})")
                if now - told > _TELL_S:
                    told = now
                    progress(f"downloading {url.rpartition('/')[2]} from {_host(url)}: {_of(got, whole)}")


def _check_status(url: str, answer: requests.Response) -> None:
    if answer.status_code == _MISSING:
        raise Broken("not-there", f"{url} is not there")
    if answer.status_code not in {_OK, _PARTIAL}:
        raise Broken("no-download", f"{url}: {answer.status_code} {answer.reason}")


def _total(answer: requests.Response) -> int:
    """The size in the answer to a range that is not available: `bytes */1234`."""
    text = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(text) if text.isdecimal() else -1


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _of(got: int, whole: int) -> str:
    return f"{got / _MIB:.1f} of {whole / _MIB:.1f} MB" if whole else f"{got / _MIB:.1f} MB"


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _reason(error: Exception) -> str:
    """The last and plainest of what a failed request says."""
    inner: BaseException = error
    for _ in range(8):
        below = inner.args[-1] if inner.args and isinstance(inner.args[-1], BaseException) else None
        below = below or getattr(inner, "reason", None) or inner.__context__
        if not isinstance(below, BaseException):
            break
        inner = below
    return str(inner).rpartition(": ")[2].strip("'\")") or type(inner).__name__
