//! ListGroups, by state and type where the client says which.

use super::context::Context;
use super::table::Answer;
use crate::broker::GroupListing;
use crate::broker::GroupState;
use crate::protocol::list_groups;

impl Answer for list_groups::Request {
    async fn answer(self, context: &Context) -> list_groups::Response {
        let states: Vec<GroupState> = self.states_filter.iter().filter_map(|name| name.parse().ok()).collect();
        let is_wanted = |listing: &GroupListing| {
            let kind = listing.kind.to_string();
            let of_type =
                self.types_filter.is_empty() || self.types_filter.iter().any(|name| name.eq_ignore_ascii_case(&kind));
            of_type && (self.states_filter.is_empty() || states.contains(&listing.state))
        };
        let groups = context.broker().list_groups().into_iter().filter(is_wanted).map(|listing| list_groups::Group {
            group_id: listing.group,
            protocol_type: listing.protocol_type,
            group_state: listing.state.to_string(),
            group_type: listing.kind.to_string(),
        });
        list_groups::Response { groups: groups.collect(), ..list_groups::Response::default() }
    }
}
