//! Meters that speak Prony's own protocol v2.
