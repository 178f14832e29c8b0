"""The p2pnode command."""
