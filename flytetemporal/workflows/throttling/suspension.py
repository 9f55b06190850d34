"""The signal that a node's coroutine ends although the node goes on sleeping."""


class Suspended(Exception):
    """What the node holds, a slot for one, stays its own until it wakes. See ``node/suspension``."""
