//! The page as people see it, in a real Chromium.

mod seen;
