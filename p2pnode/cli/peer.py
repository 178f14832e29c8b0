"""`p2pnode peer`: the peer table, and the way into it."""

import click

from p2pnode.cli.group import LazyGroup

COMMANDS = {
    "list": ("p2pnode.cli.peer_table:list_", "List the peers the node is configured with."),
    "show": ("p2pnode.cli.peer_table:show", "Show everything the peer table says about the peer NAME."),
    "add": ("p2pnode.cli.peer_add:add", "Make the node at URL a peer, and ask it to do the same."),
    "pending": ("p2pnode.cli.peer_pending:pending", "List the nodes that would be peers and wait for a decision."),
    "accept": ("p2pnode.cli.peer_pending:accept", "Make the pending node NAME a peer."),
    "reject": ("p2pnode.cli.peer_pending:reject", "Forget the pending node NAME."),
    "check": ("p2pnode.cli.peer_check:check", "Examine the way to a peer, and tell what to do about a failure."),
    "export": ("p2pnode.cli.peer_add:export", "Write this node's card to FILE, for a partner to import."),
    "import": ("p2pnode.cli.peer_add:import_", "Make the node whose card is in FILE a peer."),
    "rename": ("p2pnode.cli.peer_table:rename", "Give the peer NAME another name."),
    "remove": ("p2pnode.cli.peer_table:remove", "Remove the peer NAME: its next request is refused."),
}

peer: click.Group = LazyGroup(
    name="peer",
    lazy=COMMANDS,
    help="The peer table, and the way into it: add, accept, check, remove.",
    epilog="`p2pnode peer COMMAND --help` shows an example of each command.",
)
