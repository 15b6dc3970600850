//! DescribeLogDirs: the one directory, and how large partitions in it are.

use super::context::Context;
use super::table::Answer;
use crate::broker::TopicRecord;
use crate::model::TopicPartition;
use crate::protocol::describe_log_dirs as message;
use message::LogDir;
use message::PartitionResult;
use message::Request;
use message::Response;
use message::TopicResult;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let metadata = context.broker().metadata();
        let wanted: Vec<(&TopicRecord, Vec<i32>)> = match self.topics {
            None => metadata.topics().map(|topic| (topic, (0..topic.partitions).collect())).collect(),
            Some(topics) => {
                topics.into_iter().filter_map(|topic| Some((metadata.topic(&topic.topic)?, topic.partitions))).collect()
            }
        };
        let mut topics = Vec::with_capacity(wanted.len());
        for (topic, numbers) in wanted {
            let mut partitions = Vec::with_capacity(numbers.len());
            for partition_index in numbers {
                // What is not there, or not to be read, is not listed.
                let id = TopicPartition::new(topic.id, partition_index);
                let Ok(bytes) = context.broker().partition_bytes(id).await else { continue };
                let partition_size = i64::try_from(bytes).unwrap_or(i64::MAX);
                partitions.push(PartitionResult { partition_index, partition_size, ..PartitionResult::default() });
            }
            if !partitions.is_empty() {
                topics.push(TopicResult { name: topic.name.clone(), partitions });
            }
        }
        let space = context.broker().disk_space();
        let bytes = |bytes: Option<u64>| bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(-1);
        let log_dir = LogDir {
            log_dir: space.path,
            topics,
            total_bytes: bytes(space.total_bytes),
            usable_bytes: bytes(space.free_bytes),
            ..LogDir::default()
        };
        Response { results: vec![log_dir], ..Response::default() }
    }
}
