"""Measures a node against a bare aiohttp server, in the same run and interleaved; see scripts/bench --help."""
