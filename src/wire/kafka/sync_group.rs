//! SyncGroup: answers when the leader's shares are durable.

use bytes::Bytes;

use super::context::Context;
use super::error_code::code_of_group;
use super::table::Answer;
use crate::broker::SyncGroup;
use crate::protocol::sync_group;

impl Answer for sync_group::Request {
    async fn answer(self, context: &Context) -> sync_group::Response {
        // What is kept must not keep the whole frame.
        let assignments = self.assignments.into_iter();
        let assignments = assignments.map(|share| (share.member_id, Bytes::copy_from_slice(&share.assignment)));
        let request = SyncGroup {
            group: self.group_id,
            member: self.member_id,
            instance: self.group_instance_id,
            generation: self.generation_id,
            protocol_type: self.protocol_type,
            protocol: self.protocol_name,
            assignments: assignments.collect(),
        };
        match context.broker().sync_group(request).await {
            Ok(synced) => sync_group::Response {
                protocol_type: synced.protocol_type,
                protocol_name: synced.protocol,
                assignment: synced.assignment,
                ..sync_group::Response::default()
            },
            Err(error) => sync_group::Response { error_code: code_of_group(&error), ..sync_group::Response::default() },
        }
    }
}
