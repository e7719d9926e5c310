//! A model of the processor's power for machines without a meter.
