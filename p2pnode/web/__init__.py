"""The admin face: what an administrator and the command line ask of a running node."""
