"""Compares the operation table, the samples and the message models with Hubject's OpenAPI descriptions of OICP 2.3."""
