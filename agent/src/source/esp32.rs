//! ESP32 meters that speak protocol v1.
