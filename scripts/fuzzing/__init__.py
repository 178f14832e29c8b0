"""Requests made from a node's OpenAPI description, right and wrong ones, and what its answers have to be."""
