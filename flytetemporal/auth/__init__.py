"""Sign-in and roles: who calls, and what they may do.

No SQL here: what is stored is behind protocols that admin implements.
"""
