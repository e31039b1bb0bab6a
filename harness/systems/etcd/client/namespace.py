"""Keys kept below a prefix that no other client uses: put before every key sent, taken off every key that comes.

As the namespace of etcd's own Go client does it (clientv3/namespace). A range to the end of the store ends at the end
of the prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

_TO_THE_END: Final = b"\0"


class Namespace:
    """A prefix, not empty, that does not end in 0xff."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix.encode()
        self.end = self.prefix[:-1] + bytes([self.prefix[-1] + 1])

    def into(self, method: str, request: Any) -> Any:
        """Return a copy of the request below the prefix; raises `LookupError` for a method that is not of keys."""
        change = _REQUESTS[method]
        if change is None:
            return request
        copy = type(request)()
        copy.CopyFrom(request)
        change(self, copy)
        return copy

    def out_of(self, method: str, response: Any) -> Any:
        """Take the prefix off the keys of the response, which is changed."""
        change = _RESPONSES.get(method)
        if change is not None:
            change(self, response)
        return response

    def ranged(self, request: Any) -> None:
        """Of a request with a key and, maybe, the end of a range."""
        request.key = self.prefix + request.key
        if request.range_end == _TO_THE_END:
            request.range_end = self.end
        elif request.range_end:
            request.range_end = self.prefix + request.range_end

    def keyed(self, message: Any) -> None:
        """Of a message with a key and no range."""
        message.key = self.prefix + message.key

    def named(self, message: Any) -> None:
        """Of a lock or an election."""
        message.name = self.prefix + message.name

    def led(self, message: Any) -> None:
        """Of a leader's key."""
        if message.leader.key:
            self.named(message.leader)
            self.keyed(message.leader)

    def txn(self, request: Any) -> None:
        """Of a transaction: what it compares, and what it does in either case."""
        for compared in request.compare:
            self.ranged(compared)
        for operation in (*request.success, *request.failure):
            kind = operation.WhichOneof("request")
            inner = getattr(operation, kind)
            if kind == "request_txn":
                self.txn(inner)
            elif kind == "request_put":
                self.keyed(inner)
            else:
                self.ranged(inner)

    def bare(self, entries: Iterable[Any]) -> None:
        """Take the prefix off entries of the store."""
        for entry in entries:
            entry.key = entry.key[len(self.prefix) :]

    def answered(self, response: Any) -> None:
        """Of the answer to a transaction."""
        for one in response.responses:
            kind = one.WhichOneof("response")
            _RESPONSES[_OF_TXN[kind]](self, getattr(one, kind))

    def leading(self, response: Any) -> None:
        """Of an answer that names a leader."""
        leader = response.leader
        leader.name, leader.key = leader.name[len(self.prefix) :], leader.key[len(self.prefix) :]


_REQUESTS: Final[dict[str, Callable[[Namespace, Any], None] | None]] = {
    "Range": Namespace.ranged,
    "DeleteRange": Namespace.ranged,
    "Put": Namespace.keyed,
    "Txn": Namespace.txn,
    "Lock": Namespace.named,
    "Unlock": Namespace.keyed,
    "Campaign": Namespace.named,
    "Leader": Namespace.named,
    "Proclaim": Namespace.led,
    "Resign": Namespace.led,
    # Of no key.
    "LeaseGrant": None,
    "LeaseRevoke": None,
    "LeaseTimeToLive": None,
    "Status": None,
}

_OF_TXN: Final = {
    "response_range": "Range",
    "response_put": "Put",
    "response_delete_range": "DeleteRange",
    "response_txn": "Txn",
}

_RESPONSES: Final[dict[str, Callable[[Namespace, Any], None]]] = {
    "Range": lambda space, response: space.bare(response.kvs),
    "Put": lambda space, response: space.bare([response.prev_kv] if response.HasField("prev_kv") else ()),
    "DeleteRange": lambda space, response: space.bare(response.prev_kvs),
    "Txn": Namespace.answered,
    "Lock": lambda space, response: space.bare([response]),
    "Campaign": Namespace.leading,
    "Leader": lambda space, response: space.bare([response.kv]),
}
