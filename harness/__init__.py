"""quorate's core: what a run is and how it is driven."""
