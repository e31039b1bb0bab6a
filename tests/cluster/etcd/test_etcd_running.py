"""A cluster that somebody else runs: TLS with client certificates, a user with a prefix, strangers' keys beside it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import socket
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quorate.harness.core.outcome import Broken, OutcomeError, Refused
from quorate.harness.core.test import Test
from quorate.harness.run import run
from quorate.harness.systems.etcd.client.connection import Connection
from quorate.harness.systems.etcd.client.namespace import Namespace
from quorate.harness.systems.etcd.client.security import Security
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.releases import resolve

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
PASSWORD = "not a secret"


def _key():
    return ec.generate_private_key(ec.SECP256R1())


def _certificate(subject, key, issuer, signer, *, authority=False):
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _write(folder, name, certificate, key):
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(private)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    authority = _key()
    root = _certificate("authority", authority, None, authority, authority=True)
    _write(folder, "ca", root, authority)
    for name in ("server", "client"):
        key = _key()
        _write(folder, name, _certificate(name, key, root, authority), key)
    stranger = _key()
    own = _certificate("stranger", stranger, None, stranger, authority=True)
    _write(folder, "stranger", own, stranger)
    return folder


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def theirs(certificates, tmp_path_factory):
    """Two members on loopback, TLS for clients, and a user who may only use his prefix."""
    binary = resolve("etcd", "3.7.3").binary
    folder = tmp_path_factory.mktemp("theirs")
    ports = [(_free_port(), _free_port()) for _ in range(2)]
    initial = ",".join(f"m{at}=http://127.0.0.1:{peer}" for at, (_, peer) in enumerate(ports))
    processes = []
    for at, (client, peer) in enumerate(ports):
        argv = [
            binary, f"--name=m{at}", f"--data-dir={folder}/m{at}", f"--initial-cluster={initial}",
            f"--listen-client-urls=https://127.0.0.1:{client}", f"--advertise-client-urls=https://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--cert-file={certificates}/server.pem", f"--key-file={certificates}/server.key",
            f"--trusted-ca-file={certificates}/ca.pem", "--client-cert-auth", "--log-outputs=stderr",
            "--auth-token=simple",
        ]  # fmt: skip
        with (folder / f"m{at}.log").open("w") as log:
            processes.append(subprocess.Popen(argv, stdout=log, stderr=log))
    endpoints = tuple(f"127.0.0.1:{client}" for client, _ in ports)
    try:
        asyncio.run(_give_rights(_connection(endpoints[0], certificates)))
        yield endpoints
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def _connection(where, folder, user=None, password="", namespace=None):
    pem = {name: (folder / file).read_bytes() for name, file in
           (("ca", "ca.pem"), ("cert", "client.pem"), ("key", "client.key"))}  # fmt: skip
    host, _, port = where.rpartition(":")
    security = Security(**pem, user=user, password=password)
    return lambda: Connection("n1", host, int(port), security=security, namespace=namespace)


async def _give_rights(make):
    connection = make()
    end = time.monotonic() + 30
    while True:
        with contextlib.suppress(OutcomeError):
            await _ask(connection, "Range", pb.RangeRequest(key=b"x"))
            break
        assert time.monotonic() < end, "the cluster did not come up"
        await asyncio.sleep(0.1)
    await _ask(connection, "Put", pb.PutRequest(key=b"/theirs/1", value=b"kept"))
    for name, password in (("root", "root"), ("tester", PASSWORD)):
        await _ask(connection, "UserAdd", pb.AuthUserAddRequest(name=name, password=password))
    await _ask(connection, "RoleAdd", pb.AuthRoleAddRequest(name="root"))
    await _ask(connection, "RoleAdd", pb.AuthRoleAddRequest(name="below"))
    right = pb.AuthPermission(permType=2, key=b"/mine/", range_end=b"/mine0")
    await _ask(connection, "RoleGrantPermission", pb.AuthRoleGrantPermissionRequest(name="below", perm=right))
    await _ask(connection, "UserGrantRole", pb.AuthUserGrantRoleRequest(user="root", role="root"))
    await _ask(connection, "UserGrantRole", pb.AuthUserGrantRoleRequest(user="tester", role="below"))
    await _ask(connection, "AuthEnable", pb.AuthEnableRequest())
    await connection.close()


async def _ask(connection, method, request):
    return await connection.call(method, request, asyncio.get_running_loop().time() + 5)


def _everything(where, folder):
    async def ask():
        connection = _connection(where, folder, "root", "root")()
        try:
            found = await _ask(connection, "Range", pb.RangeRequest(key=b"\0", range_end=b"\0"))
        finally:
            await connection.close()
        return {entry.key: entry.value for entry in found.kvs}

    return asyncio.run(ask())


def _settings(folder, **more):
    return {
        "prefix": "/mine/",
        "ca": str(folder / "ca.pem"),
        "cert": str(folder / "client.pem"),
        "key": str(folder / "client.key"),
        "user": "tester",
        **more,
    }


@pytest.mark.parametrize("workload", [("register",), ("append",), ("set", "queue"), ("lock",), ("counter",)])
def test_workloads_are_valid_and_leave_nothing(theirs, certificates, tmp_path, monkeypatch, workload):
    monkeypatch.setenv("QUORATE_PASSWORD", PASSWORD)
    test = Test(
        cluster="running", endpoints=theirs, workload=workload, time=4.0, store=str(tmp_path),
        settings=_settings(certificates),
    )  # fmt: skip
    done = run(test)
    assert done.verdict == "valid", done.results.reason
    assert "set up by somebody else" in (done.folder / "test.json").read_text()
    assert PASSWORD not in (done.folder / "test.json").read_text()
    assert _everything(theirs[0], certificates) == {b"/theirs/1": b"kept"}


def test_elections_are_valid_too(theirs, certificates, tmp_path, monkeypatch):
    monkeypatch.setenv("QUORATE_PASSWORD", PASSWORD)
    settings = _settings(certificates, lease_ttl="2s")
    done = run(
        Test(
            cluster="running",
            endpoints=theirs,
            workload=("election",),
            time=8.0,
            timeout=3.0,
            clients=4,
            store=str(tmp_path),
            settings=settings,
        )
    )
    assert done.verdict == "valid", done.results.reason
    assert _everything(theirs[0], certificates) == {b"/theirs/1": b"kept"}


def test_a_wrong_password_is_told(theirs, certificates, tmp_path, monkeypatch):
    monkeypatch.setenv("QUORATE_PASSWORD", "wrong")
    test = Test(
        cluster="running", endpoints=theirs, time=3.0, store=str(tmp_path), settings=_settings(certificates)
    )
    done = run(test)
    assert done.exit_code == 3
    assert "authentication failed" in str(done.results.reason)


def test_a_prefix_without_rights_is_told(theirs, certificates, tmp_path, monkeypatch):
    monkeypatch.setenv("QUORATE_PASSWORD", PASSWORD)
    settings = _settings(certificates, prefix="/theirs/")
    done = run(Test(cluster="running", endpoints=theirs, time=3.0, store=str(tmp_path), settings=settings))
    assert done.exit_code == 3
    assert "permission denied" in str(done.results.reason)
    assert _everything(theirs[0], certificates) == {b"/theirs/1": b"kept"}


def test_refused_credentials_are_failures(theirs, certificates):
    async def codes():
        found = {}
        for name, make in {
            "password": _connection(theirs[0], certificates, "tester", "wrong"),
            # Whoever shows a certificate without a token is, to etcd, the user of its common name.
            "nobody": _connection(theirs[0], certificates),
            "rights": _connection(theirs[0], certificates, "tester", PASSWORD),
        }.items():
            connection = make()
            with pytest.raises(Refused) as raised:
                await _ask(connection, "Put", pb.PutRequest(key=b"/theirs/2", value=b"x"))
            found[name] = raised.value.code
            await connection.close()
        return found

    assert asyncio.run(codes()) == {
        "password": "not-authenticated",
        "nobody": "denied",
        "rights": "denied",
    }
    assert _everything(theirs[0], certificates) == {b"/theirs/1": b"kept"}


def test_an_expired_token_fails_once_and_is_renewed(theirs, certificates):
    async def codes():
        connection = _connection(theirs[0], certificates, "tester", PASSWORD, Namespace("/mine/"))()
        request = pb.PutRequest(key=b"token", value=b"1")
        await _ask(connection, "Put", request)
        connection._identity._token = "expired.1"
        with pytest.raises(Refused) as raised:
            await _ask(connection, "Put", request)
        await _ask(connection, "Put", request)
        await _ask(connection, "DeleteRange", pb.DeleteRangeRequest(key=b"token"))
        await connection.close()
        return raised.value.code

    assert asyncio.run(codes()) == "unauthenticated"


def test_a_strangers_certificate_is_never_sent_to(theirs, certificates):
    async def code():
        host, _, port = theirs[0].rpartition(":")
        security = Security(ca=(certificates / "stranger.pem").read_bytes())
        connection = Connection("n1", host, int(port), security=security)
        with pytest.raises(Refused) as raised:
            await _ask(connection, "Put", pb.PutRequest(key=b"/mine/2", value=b"x"))
        await connection.close()
        return raised.value.code

    assert asyncio.run(code()) == "not-connected"


def test_an_endpoint_without_a_server_is_told_before_the_load(tmp_path):
    endpoints = (f"127.0.0.1:{_free_port()}",)
    with pytest.raises(Broken, match="give --endpoints that answer"):
        run(Test(cluster="running", endpoints=endpoints, time=3.0, store=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
