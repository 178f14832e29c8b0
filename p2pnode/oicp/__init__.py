"""OICP 2.3 on the wire: messages, identifiers, status codes, operations, rules. No I/O happens here."""
