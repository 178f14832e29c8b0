"""Settings of the property tests."""

from hypothesis import settings

# An example is judged by its outcome: on a busy machine any may take long.
settings.register_profile("oicp", deadline=None)
settings.load_profile("oicp")
