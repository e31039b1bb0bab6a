"""libnftables through ctypes: one context for each network namespace, used from this process without any command.

A context's netlink socket is opened by a thread that has entered the namespace; it stays bound to that namespace and
may then be used from anywhere. A transaction takes 0.2 to 0.5 ms this way, against 20 ms for `nsenter nft` and 100 ms
for `docker exec nft`.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from functools import cache
from typing import Any

from quorate.harness.cluster.kernel import in_netns
from quorate.harness.core.outcome import Broken

_SONAME = "libnftables.so.1"


@cache
def _library() -> Any:
    library = ctypes.CDLL(_SONAME)
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_free.argtypes = [ctypes.c_void_p]
    library.nft_ctx_free.restype = None
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("output", "error"):
        getattr(library, f"nft_ctx_buffer_{name}").argtypes = [ctypes.c_void_p]
        getter = getattr(library, f"nft_ctx_get_{name}_buffer")
        getter.argtypes = [ctypes.c_void_p]
        getter.restype = ctypes.c_char_p
    return library


def is_available() -> bool:
    """Tell whether the library is installed on this host."""
    try:
        _library()
    except OSError:
        return False
    return True


class Firewall:
    """The packet filter of one namespace; when the namespace at the path is replaced, the next call enters the new."""

    def __init__(self, netns: str) -> None:
        self._netns = netns
        self._inode = 0
        self._context: int | None = None

    def run(self, commands: str) -> str:
        """Run one transaction and return what it prints; raise `Broken` with nft's own words, nothing changed."""
        library = _library()
        context = self._current()
        if library.nft_run_cmd_from_buffer(context, commands.encode()) != 0:
            words = (library.nft_ctx_get_error_buffer(context) or b"").decode(errors="replace").strip()
            self.close()
            mend = ": run as root, or with CAP_NET_ADMIN" if "not permitted" in words else ""
            raise Broken("firewall", f"nft in {self._netns}: {words or 'failed without a word'}{mend}")
        return (library.nft_ctx_get_output_buffer(context) or b"").decode(errors="replace")

    def close(self) -> None:
        """Give the context back; safe to call twice. The rules stay."""
        context, self._context = self._context, None
        if context is not None:
            _library().nft_ctx_free(context)

    def _current(self) -> int:
        try:
            inode = os.stat(self._netns).st_ino  # noqa: PTH116 - a magic link, no file
            if self._context is None or inode != self._inode:
                self.close()
                self._context = in_netns(self._netns, _new_context)
                self._inode = inode
        except OSError as error:
            raise Broken(
                "firewall", f"cannot enter the network of {self._netns}: {error.strerror}"
            ) from error
        return self._context


def _new_context() -> int:
    library = _library()
    context = library.nft_ctx_new(0)
    if not context:
        raise Broken("firewall", "libnftables gave no context: out of memory")
    library.nft_ctx_buffer_error(context)
    library.nft_ctx_buffer_output(context)
    return int(context)
