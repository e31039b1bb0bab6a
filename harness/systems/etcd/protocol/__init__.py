"""etcd's gRPC protocol from a vendored descriptor set: messages and stubs are made at import, nothing is generated.

Generated modules refuse to import on any other protobuf than the one they were generated for; a descriptor set works
with every release since protobuf 4 (measured with 4.25 and 7.36) and loads in 30 ms. `build.py` remakes it from the
trimmed .proto files beside it, and a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DESCRIPTOR_SET: Final = Path(__file__).with_name("etcd.descriptors")


class Method:
    """One remote procedure: its path, how many messages go each way, and the codec of both."""

    __slots__ = ("kind", "path", "request", "response")

    def __init__(self, path: str, descriptor: Any, classes: dict[str, Any]) -> None:
        self.path = path
        self.request = classes[descriptor.input_type.full_name]
        self.response = classes[descriptor.output_type.full_name]
        ways = ("unary", "stream")
        self.kind = f"{ways[descriptor.client_streaming]}_{ways[descriptor.server_streaming]}"

    def on(self, channel: grpc.aio.Channel) -> Any:
        """Bind the method to a channel: a callable that takes a request (or an iterator of them)."""
        make = getattr(channel, self.kind)
        return make(
            self.path,
            request_serializer=self.request.SerializeToString,
            response_deserializer=self.response.FromString,
        )


def _load() -> tuple[dict[str, Any], dict[str, list[tuple[str, Method]]]]:
    # A pool of our own: other packages in this process may know an etcd "rpc.proto" too.
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes()).file
    for file in files:
        pool.Add(file)
    classes: dict[str, Any] = {}
    services: dict[str, list[tuple[str, Method]]] = {}
    for file in files:
        described = pool.FindFileByName(file.name)
        for message in described.message_types_by_name.values():
            classes[message.full_name] = message_factory.GetMessageClass(message)
    for file in files:
        for service in pool.FindFileByName(file.name).services_by_name.values():
            services[service.name] = [
                (method.name, Method(f"/{service.full_name}/{method.name}", method, classes))
                for method in service.methods
            ]
    return classes, services


_CLASSES, SERVICES = _load()

# Every message by its short name: pb.RangeRequest, pb.LockRequest. The four files share no name.
pb: Final[Any] = SimpleNamespace(**{name.rpartition(".")[2]: cls for name, cls in _CLASSES.items()})


class Stubs:
    """Every method of every service on one channel: `stubs.Range(request, timeout=…)`.

    Names are unique over the services except `Lock.Lock`, `Election.Observe` and the like, which do no harm:
    each method name occurs once.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        """Bind a method on its first use; later uses find it in the instance."""
        method = _METHODS.get(name)
        if method is None:
            raise AttributeError(f"etcd has no method {name}")
        bound = method.on(self._channel)
        setattr(self, name, bound)
        return bound


_METHODS: Final = {name: method for methods in SERVICES.values() for name, method in methods}
