"""Events: their contract, the two logs, the outbox with its relay, the consumer and dead letters."""
