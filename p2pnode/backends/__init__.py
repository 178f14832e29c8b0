"""Who answers for our own roles: virtual charge points and drivers, or a party's own system."""
