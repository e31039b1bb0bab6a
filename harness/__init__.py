"""How a run is driven, floor by floor.

`core`, `history` and `generators` are what plugs see; `cluster` and `systems` are what is real; `run` is one run from
options to verdict; `campaign`, `testing` and `cli` stand above.
"""

if __name__ != "quorate.harness":  # the checkout is on the path: by two names every class would exist twice
    raise ImportError(f"this is quorate.harness: write `import quorate.harness`, not `import {__name__}`")
