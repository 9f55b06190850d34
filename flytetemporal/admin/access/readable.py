"""Conditions of queries that leave out what the current call may not read."""

from sqlalchemy import ColumnElement, and_, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from flytetemporal.auth import access

Column = InstrumentedAttribute[str]


def projects(project: Column) -> ColumnElement[bool]:
    """Return the condition that the call may read the project, or a domain of it."""
    scopes = access.readable()
    if any(not scope.project for scope in scopes):
        return true()
    return project.in_(sorted({scope.project for scope in scopes}))


def rows(project: Column, domain: Column) -> ColumnElement[bool]:
    """Return the condition that the call may read what belongs to a domain, or to a project if the domain is empty.

    What belongs to a project applies to its domains, so those who read one of these see it.
    """
    scopes = access.readable()
    if any(not scope.project for scope in scopes):
        return true()
    whole = project.in_(sorted({scope.project for scope in scopes if not scope.domain}))
    parts = (and_(project == found.project, domain.in_(("", found.domain))) for found in scopes if found.domain)
    return or_(whole, *parts)
