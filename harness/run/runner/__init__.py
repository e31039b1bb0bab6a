"""The runner: asks generators, hands operations to clients and to the nemesis, keeps deadlines, and records.

recorder = Recorder(journal.append, clock, clients=10)
stats = await drive(workload.operations, perform=workload.perform, open_client=open_client, recorder=recorder,
                    timeout_s=1.0, deadline_s=90.0, nemesis=Nemesis(schedule.operations, schedule.act), stop=stop)
...heal, wait for recovery...
await drive(workload.final, perform=workload.perform, open_client=open_client, recorder=recorder, ...)
"""

from quorate.harness.core.fault import NemesisOutcome
from quorate.harness.run.runner.drive import drive
from quorate.harness.run.runner.recorder import Recorder
from quorate.harness.run.runner.records import Connection, DriveStats, Nemesis

__all__ = ["Connection", "DriveStats", "Nemesis", "NemesisOutcome", "Recorder", "drive"]
