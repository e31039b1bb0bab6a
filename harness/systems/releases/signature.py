"""OpenPGP signatures of what vendors publish, verified by Sequoia against keys that are trusted beforehand.

Keys are looked for in `QUORATE_KEYS` (by default `$XDG_CONFIG_HOME/quorate/keys`) and then beside this module, as
`SYSTEM*.asc` or `SYSTEM*.gpg`. Nothing is ever asked of a key server.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quorate.harness.core.outcome import Broken

if TYPE_CHECKING:
    import pysequoia

_SHIPPED: Final = Path(__file__).parent / "keys"


def folders() -> list[Path]:
    """Where keys are looked for: the user's own first."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return [Path(os.environ.get("QUORATE_KEYS") or config / "quorate" / "keys"), _SHIPPED]


def keys_of(system: str) -> list[pysequoia.Cert]:
    """Return the keys that may sign a system's releases; none where there are none."""
    import pysequoia  # noqa: PLC0415 - only what is fetched is verified

    found: list[pysequoia.Cert] = []
    for folder in folders():
        for path in sorted([*folder.glob(f"{system}*.asc"), *folder.glob(f"{system}*.gpg")]):
            try:
                found += pysequoia.Cert.split_bytes(path.read_bytes())
            except Exception as error:
                raise Broken("bad-key", f"{path} holds no OpenPGP keys: {error}") from error
    return found


def verify(signature: bytes, signed: Path | bytes, keys: Sequence[pysequoia.Cert], what: str) -> str:
    """Return the fingerprint of the key whose detached signature this is; raise `Broken` where it is none of them."""
    import pysequoia  # noqa: PLC0415 - only what is fetched is verified

    def known(_: Sequence[str]) -> list[pysequoia.Cert]:
        return list(keys)

    try:
        detached = pysequoia.Sig.from_bytes(signature)
        if isinstance(signed, bytes):
            result = pysequoia.verify(bytes=signed, store=known, signature=detached)
        else:
            result = pysequoia.verify(file=str(signed), store=known, signature=detached)
        signers = [str(one.certificate) for one in result.valid_sigs]
    except Exception as error:
        raise Broken("bad-signature", f"the signature of {what} does not fit: {error}") from error
    if not signers:
        raise Broken("bad-signature", f"{what} is signed by none of the keys in {_places()}")
    return signers[0]


def _places() -> str:
    return ", ".join(str(folder) for folder in folders())
