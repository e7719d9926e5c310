//! Prometheus: Kepler's metrics, `prony_*`, and the agent's own telemetry on one endpoint.
