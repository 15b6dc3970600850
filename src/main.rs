//! Tidemill.
fn main() {}
