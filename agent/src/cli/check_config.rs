//! `prony check-config`: says whether a configuration is good.
