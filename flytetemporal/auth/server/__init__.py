"""Our own authorization server: flyteadmin's ``Self`` type, on authlib's framework-neutral parts.

It knows no SQL: what it stores is behind the protocols of ``records``, which admin implements.
"""
