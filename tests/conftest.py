"""What holds for all tests."""

import gc


def pytest_collection_finish() -> None:
    """Let the garbage collector not look at all that was imported, again and again: it is a tenth of the time."""
    gc.collect()
    gc.freeze()
