//! gRPC: `prony.v1.Energy`, health and reflection.
