"""What a party decides: routing, authorization, sessions, EVSE data, pricing, CDRs. No sockets, no SQL."""
