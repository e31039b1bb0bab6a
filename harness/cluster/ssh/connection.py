"""One SSH connection to a host: shells that stay open, and sftp. Calls block; one thread uses a shell at a time."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import paramiko

from quorate.harness.cluster.ssh.framing import Frame, line_of
from quorate.harness.cluster.ssh.hosts import Host
from quorate.harness.core.node import Completed
from quorate.harness.core.outcome import Broken

_CONNECT_S = 10.0
_KEEPALIVE_S = 15
_GRACE_S = 5.0  # for the answer of a command that the host has killed at its deadline
_SHELLS = 6  # at once; sshd's MaxSessions is 10 by default, and sftp needs one
_KILLED = 137
_CHUNK = 1 << 15


class Connection:
    """A connection to one host; opened when first used, and again after it broke."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(_SHELLS)
        self._client: paramiko.SSHClient | None = None
        self._idle: list[paramiko.Channel] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Completed:
        """Run a command in a shell that stays; raise `Broken` at the deadline or when the connection breaks."""
        marker = f"quorate-{os.urandom(8).hex()}"
        line = line_of(argv, marker, timeout_s=timeout_s, stdin=stdin, env=env, cwd=cwd)
        started = time.monotonic()
        with self._shell() as channel:
            completed = _exchange(
                channel, line, Frame(marker), started + timeout_s + _GRACE_S, self.host.shown
            )
        if completed.code == _KILLED and time.monotonic() - started >= timeout_s:
            raise Broken(
                "timeout", f"{' '.join(argv)} did not end within {timeout_s:g} s on {self.host.shown}"
            )
        return completed

    def upload(self, source: Path, target: str) -> None:
        """Copy a file to a place where the login user may write."""
        with self._sftp() as sftp:
            sftp.put(str(source), target)

    def download(self, source: str, target: Path) -> None:
        """Copy a file that the login user may read."""
        with self._sftp() as sftp:
            sftp.get(source, str(target))

    def close(self) -> None:
        """End the connection; the next use opens another."""
        with self._lock:
            client, self._client = self._client, None
            self._idle.clear()
        if client is not None:
            client.close()

    @contextlib.contextmanager
    def _shell(self) -> Iterator[paramiko.Channel]:
        """Lend a shell; one that missed an answer is never lent again."""
        with self._slots:
            with self._lock:
                channel = self._idle.pop() if self._idle else None
            if channel is None or channel.closed:
                channel = self._open()
            try:
                yield channel
            except BaseException:
                channel.close()
                raise
            with self._lock:
                self._idle.append(channel)

    def _open(self) -> paramiko.Channel:
        command = "exec sudo -n sh" if self.host.sudo else "exec sh"
        try:
            channel = self._connected().open_session(timeout=_CONNECT_S)
            channel.exec_command(command)
        except (OSError, EOFError, paramiko.SSHException) as error:
            self.close()
            raise Broken("ssh", f"no shell on {self.host.shown}: {error}") from error
        return channel

    @contextlib.contextmanager
    def _sftp(self) -> Iterator[paramiko.SFTPClient]:
        try:
            sftp = paramiko.SFTPClient.from_transport(self._connected())
            with contextlib.closing(sftp) as client:  # type: ignore[type-var]
                yield client  # type: ignore[misc]
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Broken("ssh", f"copying with {self.host.shown}: {error}") from error

    def _connected(self) -> paramiko.Transport:
        with self._lock:
            transport = self._client.get_transport() if self._client is not None else None
            if transport is None or not transport.is_active():
                self._idle.clear()
                self._client = connect(self.host)
                transport = self._client.get_transport()
            assert transport is not None  # of a client that has just logged in
            return transport


def connect(host: Host) -> paramiko.SSHClient:
    """Log in; the host's key must be known, and only the named key is offered. Raises `Broken` with the fix."""
    client = paramiko.SSHClient()
    known = Path(host.known_hosts).expanduser()
    try:
        client.load_host_keys(str(known))
    except OSError as error:
        raise Broken("ssh", f"cannot read the known hosts {known}: {error.strerror}") from error
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    key = _read_key(host)
    stream = None
    try:
        # Our own socket for TCP_NODELAY: without it each command waits 40 ms for a delayed acknowledgement.
        stream = socket.create_connection((host.host, host.port), timeout=_CONNECT_S)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect(
            host.host,
            host.port,
            host.user,
            pkey=key,
            sock=stream,
            timeout=_CONNECT_S,
            banner_timeout=_CONNECT_S,
            auth_timeout=_CONNECT_S,
            allow_agent=False,
            look_for_keys=False,
        )
        transport = client.get_transport()
        if transport is not None:
            transport.set_keepalive(_KEEPALIVE_S)
    except (OSError, EOFError, paramiko.SSHException, ValueError) as error:
        client.close()
        if stream is not None:
            stream.close()
        raise Broken("ssh", f"cannot log in to {host.shown}: {error}{_mend(host, error)}") from error
    return client


def _read_key(host: Host) -> paramiko.PKey:
    path = Path(host.key).expanduser()
    try:
        return paramiko.PKey.from_path(str(path))
    except (OSError, ValueError, TypeError, paramiko.SSHException) as error:
        raise Broken(
            "ssh", f"cannot use the key {path}: {error}; it must be a private key without passphrase"
        ) from error


def _mend(host: Host, error: Exception) -> str:
    if isinstance(error, paramiko.BadHostKeyException):
        return f"; if the host was set up anew, replace its key in {host.known_hosts}"
    if isinstance(error, paramiko.AuthenticationException):
        return f"; is {host.key} among its authorized keys?"
    if "not found in known_hosts" in str(error):
        return f"; check the key and add it: ssh-keyscan -p {host.port} {host.host} >>{host.known_hosts}"
    return ""


def _exchange(channel: paramiko.Channel, line: bytes, frame: Frame, end: float, shown: str) -> Completed:
    """Send a line and read both streams until the frame is complete, or the deadline has passed."""
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)  # readable when either stream has something
    channel.settimeout(_GRACE_S)
    try:
        channel.sendall(line)
        while (completed := frame.complete) is None:
            left = end - time.monotonic()
            if left <= 0:
                raise Broken("timeout", f"{shown} does not answer")
            while channel.recv_ready():
                frame.feed("stdout", channel.recv(_CHUNK))
            while channel.recv_stderr_ready():
                frame.feed("stderr", channel.recv_stderr(_CHUNK))
            if frame.complete is None and not (channel.recv_ready() or channel.recv_stderr_ready()):
                if channel.exit_status_ready() or channel.closed:
                    raise Broken("ssh", f"the shell on {shown} ended{_last_words(channel)}")
                poll.poll(min(left, 1.0) * 1000)
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise Broken("ssh", f"the connection to {shown} broke: {error}") from error
    return completed


def _last_words(channel: paramiko.Channel) -> str:
    words = channel.recv_stderr(_CHUNK) if channel.recv_stderr_ready() else b""
    return f": {words.decode(errors='replace').strip()}" if words else ""
