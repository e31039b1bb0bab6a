"""For tests of a user's service: record a history from any thread, and assert that it is linearizable."""

from quorate.harness.testing import *  # noqa: F403 - this module is the public face of that one
from quorate.harness.testing import __all__  # noqa: F401 - likewise
