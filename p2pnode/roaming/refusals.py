"""What the codes of refusals tell of whether the same message is worth sending again."""

from p2pnode.oicp.status import Code

PASSING = frozenset({Code.SYSTEM_ERROR, Code.PARTNER_DID_NOT_RESPOND})
"""The peer, or who is behind it, has failed: it may take the same push later, with nothing changed in between."""
ASK_AGAIN = PASSING | {Code.SERVICE_NOT_AVAILABLE}
"""After which refusals of a pull it is worth asking again, some times: what is asked may not be up yet."""
