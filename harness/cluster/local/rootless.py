"""Local clusters without root: the command runs itself again inside a user namespace, where it is root.

Inside, the kernel lets an ordinary user make network namespaces, links and firewall rules of his own. The process
namespace is new too: when the command dies, however it dies, the kernel ends every server and removes every
namespace. Files keep their owner: the namespace's root is the user himself.

The main thread moves to a separate network, for only from there links into the nodes can be made. `outside` is a
thread that stays behind in the host's network, for downloads.

See docs/decisions/rootless.md.
"""

from __future__ import annotations

import contextvars
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from quorate.harness.cluster import kernel, links, processes
from quorate.harness.cluster.state import DATA_VARIABLE, STATE_VARIABLE, data_directory, state_directory
from quorate.harness.core.outcome import Broken

GUARD = "QUORATE_INSIDE"  # set inside, so that nothing re-executes itself for ever
MEND = (
    "run as root, or let users make namespaces: `sysctl user.max_user_namespaces=15000` and, where they exist, "
    "`sysctl kernel.unprivileged_userns_clone=1` and `kernel.apparmor_restrict_unprivileged_userns=0`"
)
_UNSHARE = (
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--pid",
    "--fork",
    "--mount-proc",
    "--kill-child",
)
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_PROBE_TIMEOUT_S = 10.0

T = TypeVar("T")

_outside: ThreadPoolExecutor | None = None
_outside_thread: int | None = None


class Delegated(SystemExit):
    """The command ran in another process, inside the namespace; `code` is that one's exit code."""


def reexec_if_needed(*, wanted: bool = True, argv: Sequence[str] | None = None) -> None:
    """Start this command again inside a user namespace, unless it is root, inside already, or not `wanted`.

    Call it before anything else. Returns in the process that continues; the one outside only passes signals on and
    exits with the command's code. Raises `Broken` with the fix where the machine forbids namespaces. `argv` is what
    to run inside, this very command by default.
    """
    if os.environ.get(GUARD):
        enter()
        return
    if not wanted or os.geteuid() == 0:
        return
    problem = obstacle()
    if problem is not None:
        raise Broken("no-privilege", f"local clusters without root need user namespaces ({problem}): {MEND}")
    environment = {
        **os.environ,
        GUARD: "1",
        # Inside, the user looks like root: his places must not look like root's.
        STATE_VARIABLE: str(state_directory()),
        DATA_VARIABLE: str(data_directory()),
    }
    sys.stdout.flush()
    sys.stderr.flush()
    raise Delegated(
        _run_below([*_UNSHARE, "--", *(argv or [sys.executable, *_own_arguments()])], environment)
    )


def enter() -> None:
    """Become the command inside: reap as the namespace's first process, and move to a separate network.

    Does nothing the second time, nor where this process is not the first of its namespace.
    """
    global _outside, _outside_thread  # noqa: PLW0603 - one process, one thread left behind in the host's network
    if _outside is not None:
        return
    if os.getpid() == 1:
        _leave_reaping_to_this_process()
    # The child that continues has only this thread yet: the next is made before the main thread moves.
    _outside = ThreadPoolExecutor(1, thread_name_prefix="outside")
    _outside_thread = _outside.submit(threading.get_ident).result()
    try:
        kernel.unshare(kernel.CLONE_NEWNET)
        links.bring_up("lo")
    except OSError as error:
        raise Broken(
            "no-privilege", f"cannot make a network inside the user namespace ({error}): {MEND}"
        ) from error


def inside() -> bool:
    """Return whether this process runs inside the user namespace that `reexec_if_needed` made."""
    return _outside is not None


def outside(work: Callable[[], T]) -> T:
    """Run `work` in the host's network: on the thread left behind when rootless, else right here.

    For what needs the world: downloads, registries, a Docker engine over TCP. Programs it starts are outside too.
    Context variables go along. One work at a time; work inside of work runs at once.
    """
    if _outside is None or threading.get_ident() == _outside_thread:
        return work()
    return _outside.submit(contextvars.copy_context().run, work).result()


def obstacle(environment: Mapping[str, str] | None = None) -> str | None:
    """Return why this user cannot make the namespaces, or None if he can: tried, not guessed."""
    probe = [*_UNSHARE, "--net", "--", "true"]
    try:
        done = subprocess.run(
            probe, capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=False, env=environment
        )
    except FileNotFoundError:
        return "the command `unshare` is missing: install util-linux"
    except subprocess.TimeoutExpired:
        return "unshare did not end"
    return (
        None if done.returncode == 0 else done.stderr.strip() or f"unshare ended with code {done.returncode}"
    )


def _run_below(command: list[str], environment: dict[str, str]) -> int:
    """Run the command in its own process group; pass on each signal once, and die together."""
    process = subprocess.Popen(
        command,
        env=environment,
        process_group=0,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl, and no thread runs yet
    )

    def pass_on(signum: int, _frame: object) -> None:
        for one in processes.table().values():
            if one.parent == process.pid:  # unshare itself ignores signals while it waits
                processes.send(one.pid, signum)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    code = process.wait()
    return code if code >= 0 else 128 - code


def _leave_reaping_to_this_process() -> None:
    """Fork: the child continues as the command, this process reaps orphans and passes signals on until it ends.

    The first process of a namespace gets no default signal actions and all orphans: no place for the command itself.
    """
    child = os.fork()
    if child == 0:
        _die_with_parent()
        return
    for number in _PASSED_ON:
        signal.signal(number, lambda signum, _: processes.send(child, signum))
    code = 1
    while True:
        try:
            pid, status = os.wait()
        except InterruptedError:
            continue
        except ChildProcessError:
            break
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            break
    os._exit(code if code >= 0 else 128 - code)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _own_arguments() -> list[str]:
    """Return the arguments after the interpreter that started this command (`-m module` included)."""
    return list(sys.orig_argv[1:])
