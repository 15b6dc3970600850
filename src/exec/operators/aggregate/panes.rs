//! Windows merged from panes.
//!
//! Time is cut into blocks as long as a window, so a window is the end of one block and the beginning of the next. Of each
//! pane there are two merged states: with the panes behind it to the end of its block, and with those before it from the
//! beginning. A window is one of each: its cost does not grow with its panes, and how panes are merged does not depend on which
//! windows are asked for.

use super::AggregateSpec;
use super::Hopping;
use super::groups::Groups;
use crate::exec::ExecError;

/// A pane: its start, and its group in some `Groups`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pane {
    pub start: i64,
    pub group: usize,
}

/// Merged windows: a group of `groups` each, `None` for one without rows.
pub(super) struct Merged {
    pub groups: Groups,
    pub windows: Vec<Option<usize>>,
}

/// The windows that begin at `starts`, merged from `panes` of `source`; both ascend, and all panes of the windows are there.
pub(super) fn merge(
    spec: &AggregateSpec,
    window: Hopping,
    panes: &[Pane],
    source: &Groups,
    starts: &[i64],
) -> Result<Merged, ExecError> {
    let mut groups = Groups::new(&spec.calls);
    let block = |pane: &Pane| pane.start.div_euclid(window.size_ms);
    let count = panes.len();
    // Behind: group `count - 1 - pane`. Before: group `count + pane`.
    for at in (0..count).rev() {
        let own = groups.push_copy(source, panes[at].group);
        if at + 1 < count && block(&panes[at]) == block(&panes[at + 1]) {
            groups.merge_within(own, own - 1)?;
        }
    }
    for at in 0..count {
        match at.checked_sub(1).filter(|before| block(&panes[*before]) == block(&panes[at])) {
            None => drop(groups.push_copy(source, panes[at].group)),
            Some(_) => {
                let own = groups.push_again(count + at - 1);
                groups.merge(own, source, panes[at].group)?;
            }
        }
    }
    let (behind, before) = (|at: usize| count - 1 - at, |at: usize| count + at);
    let (mut first, mut end) = (0, 0);
    let mut windows = Vec::with_capacity(starts.len());
    for start in starts {
        while first < count && panes[first].start < *start {
            first += 1;
        }
        while end < count && panes[end].start < start.saturating_add(window.size_ms) {
            end += 1;
        }
        let Some(last) = end.checked_sub(1).filter(|last| first <= *last) else {
            windows.push(None);
            continue;
        };
        let begins_in = start.div_euclid(window.size_ms);
        windows.push(Some(match (block(&panes[first]) == begins_in, block(&panes[last]) == begins_in) {
            (true, true) => behind(first),
            (false, _) => before(last),
            (true, false) => {
                let own = groups.push_again(behind(first));
                groups.merge_within(own, before(last))?;
                own
            }
        }));
    }
    Ok(Merged { groups, windows })
}
