"""What holds for all tests."""

import gc
import signal


def pytest_configure() -> None:
    """End as after Ctrl-C where another process says so, with what the tests have started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Let the garbage collector not look at all that was imported, again and again: it is a tenth of the time."""
    gc.collect()
    gc.freeze()
