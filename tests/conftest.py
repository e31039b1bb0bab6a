"""For all tests."""

from __future__ import annotations

import signal

# A shell starts what it puts in the background (as CI may) with SIGINT ignored, and children inherit that: programs
# under test would then not hear a Ctrl-C. With a handler here, they start with the default.
signal.signal(signal.SIGINT, signal.default_int_handler)
