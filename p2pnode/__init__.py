"""A node for EV roaming over OICP 2.3 between peers, without a hub."""

from importlib.metadata import version

__version__ = version("p2pnode")
