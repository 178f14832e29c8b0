"""Keys and certificates: a lab CA, node identities, inspection."""
