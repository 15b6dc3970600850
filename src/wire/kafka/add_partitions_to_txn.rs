//! AddPartitionsToTxn: all partitions, or none.

use std::collections::BTreeMap;

use super::context::Context;
use super::error_code::code_of;
use super::error_code::code_of_transaction;
use super::table::Answer;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::ErrorCode;
use crate::protocol::add_partitions_to_txn;

/// From here on a client understands PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;

impl Answer for add_partitions_to_txn::Request {
    async fn answer(self, context: &Context) -> add_partitions_to_txn::Response {
        let (mut partitions, mut refused) = (BTreeMap::new(), BTreeMap::new());
        for topic in &self.topics {
            for index in &topic.partitions {
                match find(context, &topic.name, *index).await {
                    Ok(partition) => drop(partitions.insert(partition, topic.name.clone())),
                    Err(code) => drop(refused.insert((topic.name.clone(), *index), code)),
                }
            }
        }
        let producer = (ProducerId(self.producer_id), ProducerEpoch(self.producer_epoch));
        let error_code = match refused.is_empty() {
            false => ErrorCode::OPERATION_NOT_ATTEMPTED,
            true => {
                let added = context.broker().add_to_transaction(&self.transactional_id, producer, partitions).await;
                added.err().map(|error| code_of_transaction(&error, FENCED_FROM <= context.version)).unwrap_or_default()
            }
        };
        let result = |name: &str, index: i32| add_partitions_to_txn::PartitionResult {
            partition_index: index,
            partition_error_code: refused.get(&(name.to_string(), index)).copied().unwrap_or(error_code),
        };
        let results_by_topic = self.topics.iter().map(|topic| add_partitions_to_txn::TopicResult {
            name: topic.name.clone(),
            results_by_partition: topic.partitions.iter().map(|index| result(&topic.name, *index)).collect(),
        });
        add_partitions_to_txn::Response {
            results_by_topic: results_by_topic.collect(),
            ..add_partitions_to_txn::Response::default()
        }
    }
}

async fn find(context: &Context, topic: &str, index: i32) -> Result<TopicPartition, ErrorCode> {
    let partition = context.partition(topic, [0; 16], false, index)?;
    context.broker().check_transactional(partition).await.map_err(|error| code_of(&error))?;
    Ok(partition)
}
