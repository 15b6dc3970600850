//! ListGroups, by state and type where the client says which.

use super::context::Context;
use super::table::Answer;
use crate::broker::GroupListing;
use crate::broker::GroupState;
use crate::protocol::list_groups::Group;
use crate::protocol::list_groups::Request;
use crate::protocol::list_groups::Response;

/// The protocol of all groups.
const CLASSIC: &str = "classic";

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let states: Vec<GroupState> = self.states_filter.iter().filter_map(|name| name.parse().ok()).collect();
        let is_wanted = |listing: &GroupListing| {
            let of_type =
                self.types_filter.is_empty() || self.types_filter.iter().any(|name| name.eq_ignore_ascii_case(CLASSIC));
            of_type && (self.states_filter.is_empty() || states.contains(&listing.state))
        };
        let groups = context.broker().list_groups().into_iter().filter(is_wanted).map(|listing| Group {
            group_id: listing.group,
            protocol_type: listing.protocol_type,
            group_state: listing.state.to_string(),
            group_type: CLASSIC.to_string(),
        });
        Response { groups: groups.collect(), ..Response::default() }
    }
}
