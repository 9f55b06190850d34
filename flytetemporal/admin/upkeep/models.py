"""The table of loops."""

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Interval, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from flytetemporal.db.orm import Base


class UpkeepLoopRow(Base):
    """A loop, its last round and its next one. There is a row per loop, however many rounds it has run."""

    __tablename__ = "upkeep_loops"
    name: Mapped[str] = mapped_column(primary_key=True)
    interval: Mapped[timedelta] = mapped_column(Interval)
    # Of the round that runs, or of the last one.
    started_at: Mapped[datetime | None]
    # Of the last round that has ended. ``found`` and ``last_found`` are JSON objects of counts by name.
    ended_at: Mapped[datetime | None]
    found: Mapped[str] = mapped_column(Text, server_default=text("'{}'"))
    error: Mapped[str] = mapped_column(Text, server_default=text("''"))
    next_at: Mapped[datetime]
    rounds: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    failed_rounds: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    last_found_at: Mapped[datetime | None]
    last_found: Mapped[str] = mapped_column(Text, server_default=text("'{}'"))
    # Where the next round continues, for a loop that reads a few rows in each round.
    position: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
