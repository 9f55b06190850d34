"""The fault suite: many executions while every process of the stack is killed at random and the store fails at random.

``python -m faults`` starts a stack, launches executions of every kind, kills, waits for all to end and judges what is
recorded, what the tasks really did and what is left running. One seed decides which executions, what is done to them
and what is killed when; which writes of the store fail is left to chance.
"""
