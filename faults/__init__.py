"""The fault suite: many executions while processes of the stack are killed and writes to the store fail at random.

``python -m faults`` starts a stack, launches executions of every kind, kills processes, waits until all executions have
ended, and then judges the records, the notes of the tasks and the processes left running. A seed decides the
executions, the signals and aborts sent to them, and the kills. Which writes to the store fail is not seeded: the
processes of the stack draw that for themselves.
"""
