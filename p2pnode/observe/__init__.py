"""Logs, metrics, events and status of a node."""
