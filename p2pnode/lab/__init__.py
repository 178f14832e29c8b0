"""Networks of nodes on one machine, and the roaming that proves them."""
