"""Shows that nothing is lost: two nodes and two backends, killed and cut off while they work, and an oracle."""
