"""The journal: what a kill, a full disk or a bad value leave behind."""

import os
import random
import resource
import signal
import struct
import subprocess
import sys
import time

import pytest

from quorate.harness.core.outcome import Broken
from quorate.harness.history import Event, History, HistoryError, Journal

KILLS = 200
AT_ONCE = 10
FLUSH_S = 0.1
# What a busy machine may add by taking the processor from a writer between two events.
SLACK_S = 0.4

# A nursery imports once and then forks a writer for each path that it reads, and kills it when asked to.
# Writers append about 40,000 events a second, so that a kill falls anywhere between two flushes, and note in shared
# memory how far they have come.
NURSERY = """
import mmap, os, signal, struct, sys, time
from quorate.harness.history import Event, Journal

def write(path, memory, slot):
    journal = Journal(path, flush_s=FLUSH_S)
    index = 0
    while True:
        for _ in range(40):
            kind, begun = ("ok", index - 1) if index % 2 else ("invoke", None)
            now = time.monotonic_ns()
            journal.append(Event(index=index, time=now, process=0, type=kind, f="write",
                                 value=index // 2, index_of_invoke=begun))
            index += 1
        struct.pack_into("qq", memory, 16 * slot, index, now)
        journal.tick()
        time.sleep(0.001)

memory = mmap.mmap(int(sys.argv[1]), 16 * 256)
for line in sys.stdin:
    command, argument, slot = line.split()
    if command == "write":
        child = os.fork()
        if child == 0:
            os.close(0)
            write(argument, memory, int(slot))
        print(child, flush=True)
    else:
        os.kill(int(argument), signal.SIGKILL)
        os.waitpid(int(argument), 0)
        print(0, flush=True)
"""


class Nursery:
    def __init__(self):
        self.shared = os.memfd_create("progress")
        os.ftruncate(self.shared, 16 * 256)
        code = NURSERY.replace("FLUSH_S", str(FLUSH_S))
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(self.shared)],
            pass_fds=[self.shared], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def progress(self, slot):
        """How many events a writer has appended, and the time of the last."""
        return struct.unpack("qq", os.pread(self.shared, 16, 16 * slot))

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self.process.stdout.close()
        os.close(self.shared)


def judge(path, appended, last_ns):
    """Check what a killed writer left; return the seconds of events that were lost, None if nothing was flushed."""
    history = History.read(path)
    found = len(history)
    assert found <= appended + 40
    assert history.truncated or found == 0
    if found == 0:
        return None
    last = history.event(found - 1)
    assert (last.index, last.value) == (found - 1, (found - 1) // 2)
    assert history.columns.index.tolist() == list(range(found))
    return max(0, last_ns - last.time) / 1e9


def test_200_kills_lose_at_most_the_last_moments(tmp_path):
    nursery, rng = Nursery(), random.Random(200)
    lost = []
    deadline = time.monotonic() + 60
    for batch in range(0, KILLS, AT_ONCE):
        paths = [tmp_path / f"{slot}.zst" for slot in range(batch, batch + AT_ONCE)]
        writers = [nursery.ask("write", path, slot) for slot, path in enumerate(paths, batch)]
        while any(nursery.progress(slot)[0] == 0 for slot in range(batch, batch + AT_ONCE)):
            assert time.monotonic() < deadline, "a writer does not begin"
            time.sleep(0.001)
        time.sleep(rng.random() * 0.25)
        for slot, (path, writer) in enumerate(zip(paths, writers, strict=True), batch):
            time.sleep(rng.random() * 0.02)
            nursery.ask("kill", writer, 0)
            lost.append(judge(path, *nursery.progress(slot)))
    nursery.close()
    assert len(lost) == KILLS
    found = sorted(seconds for seconds in lost if seconds is not None)
    assert len(found) > KILLS // 2, "too few kills left anything to read"
    assert found[len(found) // 2] < FLUSH_S
    assert found[-1] < FLUSH_S + SLACK_S


def events(count):
    return [Event(index=i, time=i, process=i, type="invoke", f="read", value="x" * 50) for i in range(count)]


def test_what_was_flushed_is_there_before_the_end(tmp_path):
    journal = Journal(tmp_path, flush_s=0.0)
    for event in events(1000):
        journal.append(event)
    journal.tick()
    history = History.read(tmp_path)
    assert (len(history), history.truncated) == (1000, True)
    journal.close()
    journal.close()
    history = History.read(tmp_path)
    assert (len(history), history.truncated) == (1000, False)
    assert len(journal) == 1000


def test_tick_waits_for_its_time(tmp_path):
    with Journal(tmp_path, flush_s=3600.0) as journal:
        journal.append(events(1)[0])
        journal.tick()
        assert journal.path.stat().st_size == 0
        journal.flush()
        assert journal.path.stat().st_size > 0


def test_every_cut_of_a_journal_can_be_read(tmp_path):
    with Journal(tmp_path, flush_s=0.0) as journal:
        for event in events(300):
            journal.append(event)
            journal.flush()
    data = journal.path.read_bytes()
    path = tmp_path / "cut.zst"
    counts = []
    for length in range(0, len(data), 17):
        path.write_bytes(data[:length])
        counts.append(len(History.read(path)))
    assert counts == sorted(counts)
    assert counts[-1] >= 298


def write_for_ever(journal):
    for number in range(100_000):
        value = os.urandom(9).hex()
        journal.append(Event(index=number, time=0, process=number, type="invoke", f="w", value=value))
        journal.flush()


def test_a_full_disk_is_said_and_what_was_written_stays(tmp_path):
    # The limit on file sizes acts as a full disk does: a short write, then an error.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal = Journal(tmp_path, flush_s=0.0)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        with pytest.raises(Broken, match=r"cannot write .*What was written before can be read"):
            write_for_ever(journal)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    history = History.read(tmp_path)
    assert history.truncated
    assert len(history) > 30
    assert [event.index for event in history.events()] == list(range(len(history)))
    journal.close()


def test_a_really_full_device_names_the_mend(tmp_path):
    if not os.access("/dev/full", os.W_OK):
        pytest.skip("this machine has no /dev/full")
    journal = Journal(tmp_path)
    journal.append(events(1)[0])
    os.dup2(os.open("/dev/full", os.O_WRONLY), journal._file)
    with pytest.raises(Broken, match="the disk is full; free some space or choose another --store"):
        journal.flush()
    journal.close()


def test_a_store_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(Broken, match="cannot create the history"):
        Journal(tmp_path / "no" / "such" / "folder")
    Journal(tmp_path / "twice.zst").close()
    with pytest.raises(Broken, match="exists"):
        Journal(tmp_path / "twice.zst")


def test_a_value_that_json_cannot_hold_spoils_nothing(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append(events(1)[0])
        with pytest.raises(TypeError):
            journal.append(Event(index=1, time=0, process=1, type="invoke", f="w", value=object()))
        journal.append(Event(index=1, time=0, process=1, type="invoke", f="w", value=2))
    assert [event.value for event in History.read(tmp_path).events()] == ["x" * 50, 2]


def test_subscribers_see_every_event_in_order(tmp_path):
    seen, other = [], []
    with Journal(tmp_path) as journal:
        journal.subscribe(seen.append)
        for event in events(5):
            journal.append(event)
        journal.subscribe(other.append)
        journal.append(Event(index=5, time=0, process=5, type="invoke", f="w"))
    assert [event.index for event in seen] == [0, 1, 2, 3, 4, 5]
    assert [event.index for event in other] == [5]
    assert History.read(tmp_path).events() == seen


def test_a_folder_without_a_history_is_said(tmp_path):
    with pytest.raises(HistoryError, match=r"history\.jsonl\.zst: No such file"):
        History.read(tmp_path)
