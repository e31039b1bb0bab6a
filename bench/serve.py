"""How fast the results browser answers with a store of many runs: `python bench/serve.py [runs]`."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit" / "reports")]

import synthetic  # noqa: E402 - found through the line above

from quorate.reports.serve import serve  # noqa: E402


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as scratch:
        model = synthetic.make(Path(scratch) / "model", operations=500)
        store = Path(scratch) / "store"
        test = json.loads((model / "test.json").read_text())
        for number in range(runs):
            folder = store / f"etcd-register-{number % 20}" / f"20261012T{number:06d}Z-{number}"
            folder.mkdir(parents=True)
            (folder / "test.json").write_text(
                json.dumps({**test, "seed": number, "name": folder.parent.name})
            )
            shutil.copyfile(model / "results.json", folder / "results.json")
        shutil.copytree(model, store / "whole" / "run")
        server = serve(store, port=0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asked = ["", "?page=50", "?q=stale+17", "?verdict=invalid&system=etcd@3.5.30", "store/whole/run/"]
        print(f"{runs:,} runs")
        for path in ["(first, reads the store) ", *asked]:
            start = time.perf_counter()
            with urllib.request.urlopen(server.url + path.partition("(")[0], timeout=60) as answer:  # noqa: S310
                size = len(answer.read())
            print(f"{time.perf_counter() - start:8.3f} s {size / 1000:8.1f} kB  /{path}")
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
