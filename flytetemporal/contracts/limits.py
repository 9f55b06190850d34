"""Limits on what travels through Temporal, shared by admin and workers.

Temporal takes 2 MB in one payload and 4 MB in one request, and a history ends at 50 MB. Values up to a limit travel
inline; larger ones are written to the object store and travel as references.
"""

# The literals of one node, as a whole map. Inputs and outputs are in the history more than once.
MAX_INLINE_LITERALS_BYTES = 16 * 1024
# A gzipped graph in the start argument.
MAX_INLINE_GRAPH_BYTES = 256 * 1024
# A gzipped graph at all: the workflow reads a stored graph through an activity, whose result is one payload.
MAX_GRAPH_BYTES = 1536 * 1024
# Constants in a graph of this size or more are offloaded to files of their own.
MIN_OFFLOADED_CONSTANT_BYTES = 16 * 1024
# The settings of an execution: the argument of every task attempt repeats them.
MAX_SETTINGS_BYTES = 128 * 1024
# A map that an activity returns inline because it is not stored anywhere.
MAX_RETURNED_BYTES = 256 * 1024
