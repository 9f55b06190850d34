"""The declarative base and the column types of all tables."""

from datetime import datetime

from sqlalchemy import DateTime, MetaData, String
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """The base of all tables of admin and of the catalog.

    The names of constraints follow a convention, so that migrations can refer to them.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map = {str: String(255), datetime: DateTime(timezone=True)}  # noqa: RUF012  SQLAlchemy reads it
