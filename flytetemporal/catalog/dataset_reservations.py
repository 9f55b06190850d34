"""DataCatalog's reservations: of a tag in a dataset, neither of which needs to exist."""

from flyteidl.datacatalog import datacatalog_pb2 as datacatalog

from flytetemporal import errors
from flytetemporal.catalog import checks, reservations
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.idl import times


async def get_or_extend(
    deps: Catalog, request: datacatalog.GetOrExtendReservationRequest
) -> datacatalog.GetOrExtendReservationResponse:
    """Take or extend a reservation; the answer names the holder, which can be another owner."""
    key = _key(request.reservation_id, given=request.HasField("reservation_id"))
    requested = request.heartbeat_interval if request.HasField("heartbeat_interval") else None
    held = await reservations.get_or_extend(deps, key, request.owner_id, requested)
    return datacatalog.GetOrExtendReservationResponse(
        reservation=datacatalog.Reservation(
            reservation_id=request.reservation_id,
            owner_id=held.owner_id,
            heartbeat_interval=times.duration(held.heartbeat),
            expires_at=times.timestamp(held.expires_at),
        )
    )


async def release(
    deps: Catalog, request: datacatalog.ReleaseReservationRequest
) -> datacatalog.ReleaseReservationResponse:
    """Give back a reservation of the owner."""
    key = _key(request.reservation_id, given=request.HasField("reservation_id"))
    await reservations.release(deps, key, request.owner_id)
    return datacatalog.ReleaseReservationResponse()


def _key(reservation: datacatalog.ReservationID, *, given: bool) -> reservations.Key:
    if not given:
        raise errors.InvalidRequest("missing reservation_id")
    dataset = reservation.dataset_id
    checks.check_dataset_id(dataset, given=reservation.HasField("dataset_id"))
    checks.check_given(reservation.tag_name, "tagName")
    return dataset.project, dataset.domain, dataset.name, dataset.version, reservation.tag_name
