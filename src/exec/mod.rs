//! Standing queries at work: our operators in DataFusion's plan, tasks, time, cuts, sources and sinks.
//!
//! A task is one sub-plan for one partition group; `Runtime` schedules tasks over a few threads, one committer
//! makes their cuts durable. Bodies of operators are `Step`s; `docs/design/0004-operator-contract.md` is their contract.
//!
//! Invariants:
//!   * inside a task nothing is asynchronous: a poll that returns `Pending` means "nothing more in this phase"
//!   * nothing is appended before the cut, and nothing is published before the commit
//!   * a row's outcome depends neither on its neighbours in the batch nor on where the cuts fall (`emit = 'all'`)

mod carried;
mod committer;
#[cfg(test)]
mod contract_tests;
mod course;
mod driver;
mod error;
mod expressions;
mod fetch;
mod hold;
mod kept;
mod late;
mod layout;
mod lower;
mod manual;
mod mark;
mod operators;
mod output;
mod phase;
mod profile;
mod push;
mod retire;
mod rows_allowed;
mod run_queue;
mod runtime;
mod slice;
mod slot;
mod step;
mod step_exec;
mod task;
#[cfg(test)]
mod testing;

pub use course::Course;
pub use course::Stage;
pub use driver::Driver;
pub use error::ExecError;
pub use expressions::evaluate;
pub use hold::Hold;
pub use kept::Claim;
pub use kept::KeptTable;
pub use kept::TableLock;
pub use kept::TableLocks;
pub use layout::Changes;
pub use layout::Layout;
pub use manual::DriveOptions;
pub use mark::Mark;
pub use mark::Said;
pub use output::LogEntry;
pub use phase::Phase;
pub use phase::PhaseKind;
pub use profile::FragmentProfile;
pub use profile::OperatorProfile;
pub use push::PushBatch;
pub use push::PushSpec;
pub use push::PushStart;
pub use push::PushStream;
pub use runtime::QueryStatus;
pub use runtime::Runtime;
pub use runtime::RuntimeParts;
pub use slot::QueryState;
pub use slot::TaskStatus;
pub use step::Cx;
pub use step::NewRecord;
pub use step::Ports;
pub use step::Progress;
pub use step::Side;
pub use step::Step;
pub use step_exec::StepExec;
pub use step_exec::StepSpec;
pub use step_exec::TaskCell;
pub use step_exec::TaskState;
pub use task::DecodeCounts;
pub use task::QuerySpec;
pub use task::TaskCounts;
pub use task::reader_groups;

pub use crate::state::CutId;
