"""Absent brokers: which errors of Kafka's clients pass by themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiokafka.errors
import kafka.errors

from streams.bus import BusAway


@contextmanager
def broker_errors(brokers: str, beside: frozenset[str] = frozenset()) -> Iterator[None]:
    """Makes of a client's error ``BusAway`` where it is known to pass by itself; every other stays what it is.

    ``beside`` names errors that pass here as well.
    """
    try:
        yield
    except (aiokafka.errors.KafkaError, kafka.errors.KafkaError) as error:
        if type(error).__name__ not in PASSING | beside:
            raise
        raise BusAway(f"{brokers}: {type(error).__name__}") from error


#: Errors of either client that say: no broker is there at this moment, or another one is in charge by now, or it has
#: let this member or this sender go, who comes again as a new one.
PASSING = {
    "BrokerNotAvailableError",
    "Cancelled",
    "CommitFailedError",
    "CoordinatorLoadInProgressError",
    "CoordinatorNotAvailableError",
    "CorrelationIdError",
    "DuplicateSequenceNumber",
    "FencedLeaderEpochError",
    "FetchSessionIdNotFound",
    "FetchSessionIdNotFoundError",
    "GroupCoordinatorNotAvailableError",
    "GroupLoadInProgressError",
    "IllegalGenerationError",
    "InvalidFetchSessionEpoch",
    "InvalidFetchSessionEpochError",
    "InvalidProducerEpoch",
    "InvalidProducerIdMapping",
    "KafkaConnectionError",
    "KafkaStorageError",
    "KafkaTimeoutError",
    "KafkaUnavailableError",
    "ListenerNotFound",
    "ListenerNotFoundError",
    "LeaderNotAvailableError",
    "MetadataEmptyBrokerList",
    "NetworkExceptionError",
    "NoBrokersAvailable",
    "NodeNotReadyError",
    "NotControllerError",
    "NotCoordinatorError",
    "NotCoordinatorForGroupError",
    "NotEnoughReplicasAfterAppendError",
    "NotEnoughReplicasError",
    "NotLeaderForPartitionError",
    "OffsetNotAvailableError",
    "OutOfOrderSequenceNumber",
    "ProducerClosed",
    "ProducerFenced",
    "RebalanceInProgressError",
    "ReplicaNotAvailableError",
    "RequestTimedOutError",
    "StaleMetadata",
    "ThrottlingQuotaExceededError",
    "TooManyInFlightRequests",
    "UnknownBrokerIdError",
    "UnknownControllerIdError",
    "UnknownLeaderEpochError",
    "UnknownMemberIdError",
    "UnknownProducerId",
    "UnknownTopicIdError",
    "UnknownTopicOrPartitionError",
}
UNKNOWN = frozenset({"UnknownError"})
"""What a broker says that ends or begins, to requests and to what is sent; of what is read it may mean damage."""
