"""What a node is told: its own configuration and the peer table, from TOML files."""
