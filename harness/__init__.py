"""How a run is driven, floor by floor.

`core`, `history` and `generators` are what plugs see; `cluster` and `systems` are what is real; `run` is one run from
options to verdict; `campaign`, `testing` and `cli` stand above.
"""
