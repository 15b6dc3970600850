//! The bodies of operators, one a file.

mod aggregate;
mod consolidate;
mod exchange;
mod expire;
mod explode;
mod filter;
mod foreign_join;
#[cfg(test)]
mod foreign_join_tests;
mod join;
mod joined;
mod normalise;
mod project;
mod relocate;
mod removal;
mod retain;
mod sink;
mod sink_clocks;
mod sortable;
mod source;
mod stream_join;
mod table_join;
#[cfg(test)]
mod table_join_tests;
#[cfg(test)]
mod tests;
mod top_n;
mod union;

pub use aggregate::Aggregate;
pub use aggregate::AggregateSpec;
pub use aggregate::CallSpec;
pub use aggregate::Hopping;
pub use aggregate::HoppingAggregate;
pub use aggregate::Session;
pub use aggregate::SessionAggregate;
pub use aggregate::Tumbling;
pub use aggregate::Windows;
pub use consolidate::Consolidate;
pub use exchange::Exchange;
pub use exchange::ExchangeSpec;
pub use expire::Expire;
pub use explode::Explode;
pub use filter::Filter;
pub use foreign_join::ForeignJoin;
pub use foreign_join::ForeignJoinSpec;
pub use join::Join;
pub use join::JoinSpec;
pub use normalise::Normalise;
pub use project::Project;
pub use relocate::Relocate;
pub use retain::Retain;
pub use sink::Sink;
pub use sink::SinkSpec;
pub use sink::TopicSpec;
pub use source::Source;
pub use stream_join::StreamJoin;
pub use stream_join::StreamJoinSide;
pub use stream_join::StreamJoinSpec;
pub use table_join::TableJoin;
pub use table_join::TableSide;
pub use top_n::OrderSpec;
pub use top_n::TopN;
pub use top_n::TopSpec;
pub use union::Union;

use arrow::array::RecordBatch;

use super::Cx;
use super::Layout;
use super::expressions::RowError;
use super::output::LogEntry;

/// Puts failures of rows into the processing log, but those of rows without value.
fn log_errors(cx: &mut Cx<'_>, layout: &Layout, batch: &RecordBatch, errors: &[RowError], became: &str) {
    for error in errors {
        if layout.changes != super::Changes::Retract && layout.ops(batch).value(error.row) != super::layout::OP_VALUE {
            continue;
        }
        let event_time = layout.times(batch).value(error.row);
        let message = format!("{became}: {}", error.reason);
        let operator = cx.operator().clone();
        cx.output().log(LogEntry { operator, message, event_time });
    }
}
