//! Groups of rows kept up to date, perhaps per window.
//!
//! One state table: groups, panes of hopping windows or sessions by key, and beside them what closes them; `keys` has the
//! bytes. Without windows and in tumbling ones a group has a state of its own (`plain`). Hopping windows share panes, of which
//! no window begins or ends inside one: a row changes one pane, and a window's result is merged from its panes (`hopping`,
//! `panes`). A session's state is that of its rows, and moves when rows join it to another (`session`). What a result cannot
//! be taken back from stands beside the groups, a count for each value (`counted`).
//!
//! Invariants:
//!   * a row is late by the stream time at that row, so lateness does not depend on rounds or cuts
//!   * a closed window has no state; under `EMIT FINAL` its row left when it closed
//!   * under `emit = 'net'` a group that changed leaves once per cut; memory of what changed ends with the cut

mod accumulate;
mod bits;
mod collected;
mod counted;
mod distinct;
mod emit;
mod forgotten;
mod groups;
mod hopping;
mod intake;
mod keys;
mod panes;
mod plain;
mod results;
mod session;
mod spec;
#[cfg(test)]
mod tests;
mod touched;
mod windows;

pub use hopping::HoppingAggregate;
pub use plain::Aggregate;
pub use session::SessionAggregate;
pub use spec::AggregateSpec;
pub use spec::CallSpec;
pub use windows::Hopping;
pub use windows::Session;
pub use windows::Tumbling;
pub use windows::Windows;
