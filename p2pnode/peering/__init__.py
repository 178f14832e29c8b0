"""Peers on the wire: server, client, TLS, identity."""
