//! The command line of `mqlc`.
fn main() {}
