//! ElectLeaders, AlterPartitionReassignments, ListPartitionReassignments, AlterReplicaLogDirs: every partition has its one replica
//! on this node, in its one directory. What asks for that is answered as by a Kafka of one node; what asks for more is refused.

use super::context::Context;
use super::error_code::Refusal;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::alter_partition_reassignments;
use crate::protocol::alter_replica_log_dirs;
use crate::protocol::elect_leaders;
use crate::protocol::list_partition_reassignments;
use crate::security::Operation;

/// The kinds of election that Kafka knows: of the preferred leader, and of one that is not in sync.
const ELECTIONS: std::ops::RangeInclusive<i8> = 0..=1;

impl Answer for elect_leaders::Request {
    async fn answer(self, context: &Context) -> elect_leaders::Response {
        if !ELECTIONS.contains(&self.election_type) {
            return elect_leaders::Response { error_code: ErrorCode::INVALID_REQUEST, ..Default::default() };
        }
        let elect = |topic: &str, partition_id| {
            let known = check_partition(context, topic, partition_id);
            let refusal = known.err().unwrap_or_else(|| {
                Refusal::new(ErrorCode::ELECTION_NOT_NEEDED, "the only replica of the partition is its leader")
            });
            let Refusal { code: error_code, message } = refusal;
            elect_leaders::PartitionResult { partition_id, error_code, error_message: Some(message) }
        };
        let of_topic = |asked: elect_leaders::TopicPartitions| elect_leaders::ReplicaElectionResult {
            partition_result: asked.partitions.into_iter().map(|partition| elect(&asked.topic, partition)).collect(),
            topic: asked.topic,
        };
        // Who asks for all partitions is told of those that need an election.
        let asked = self.topic_partitions.unwrap_or_default();
        let replica_election_results = asked.into_iter().map(of_topic).collect();
        elect_leaders::Response { replica_election_results, ..Default::default() }
    }
}

impl Answer for alter_partition_reassignments::Request {
    async fn answer(self, context: &Context) -> alter_partition_reassignments::Response {
        let reassign = |topic: &str, partition: alter_partition_reassignments::ReassignablePartition| {
            let (error_code, error_message) = match reassigned(context, topic, &partition) {
                Ok(()) => (ErrorCode::NONE, None),
                Err(refusal) => (refusal.code, Some(refusal.message)),
            };
            let partition_index = partition.partition_index;
            alter_partition_reassignments::ReassignablePartitionResponse { partition_index, error_code, error_message }
        };
        let of_topic = |topic: alter_partition_reassignments::ReassignableTopic| {
            let partitions = topic.partitions.into_iter().map(|partition| reassign(&topic.name, partition)).collect();
            alter_partition_reassignments::ReassignableTopicResponse { partitions, name: topic.name }
        };
        alter_partition_reassignments::Response {
            allow_replication_factor_change: self.allow_replication_factor_change,
            responses: self.topics.into_iter().map(of_topic).collect(),
            ..Default::default()
        }
    }
}

fn reassigned(
    context: &Context,
    topic: &str,
    partition: &alter_partition_reassignments::ReassignablePartition,
) -> Result<(), Refusal> {
    check_partition(context, topic, partition.partition_index)?;
    match partition.replicas.as_deref() {
        None => {
            Err(Refusal::new(ErrorCode::NO_REASSIGNMENT_IN_PROGRESS, "no partition is on its way to other replicas"))
        }
        Some([node]) if *node == context.node_id() => Ok(()),
        Some(_) => Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, "each partition is on this node alone")),
    }
}

impl Answer for list_partition_reassignments::Request {
    async fn answer(self, _: &Context) -> list_partition_reassignments::Response {
        list_partition_reassignments::Response::default()
    }
}

impl Answer for alter_replica_log_dirs::Request {
    async fn answer(self, context: &Context) -> alter_replica_log_dirs::Response {
        let here = context.broker().disk_space().path;
        let mut results = Vec::new();
        for dir in self.dirs {
            let moved = |topic: &str, partition_index| {
                let error_code = match check_partition(context, topic, partition_index) {
                    _ if dir.path != here => ErrorCode::LOG_DIR_NOT_FOUND,
                    Err(refusal) => refusal.code,
                    Ok(()) => ErrorCode::NONE,
                };
                alter_replica_log_dirs::PartitionResult { partition_index, error_code }
            };
            for topic in dir.topics {
                let partitions = topic.partitions.into_iter().map(|partition| moved(&topic.name, partition)).collect();
                results.push(alter_replica_log_dirs::TopicResult { partitions, topic_name: topic.name });
            }
        }
        alter_replica_log_dirs::Response { results, ..Default::default() }
    }
}

/// Whether the partition is there, for who may know.
fn check_partition(context: &Context, topic: &str, partition: i32) -> Result<(), Refusal> {
    let unknown = |code| Refusal::new(code, "there is no such partition");
    if !context.broker().may(Operation::Read, topic) {
        return Err(unknown(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    }
    context.partition(topic, [0; 16], false, partition).map(drop).map_err(unknown)
}
