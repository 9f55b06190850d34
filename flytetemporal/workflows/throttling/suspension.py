"""The exception that ends a node's coroutine while the node sleeps on."""


class Suspended(Exception):
    """The node sleeps without a coroutine and keeps what it holds, such as a slot. See ``node/suspension``."""
