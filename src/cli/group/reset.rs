//! `tidemill group reset`

use std::collections::BTreeSet;

use serde_json::json;

use super::positions;
use super::positions::Positions;
use crate::cli::kafka::Cluster;
use crate::cli::kafka::CoordinatorOf;
use crate::cli::kafka::Format;
use crate::cli::kafka::Place;
use crate::cli::kafka::TopicPartitions;
use crate::cli::kafka::Where;
use crate::cli::kafka::list_offsets;
use crate::cli::kafka::parse_time;
use crate::cli::kafka::show_all;
use crate::cli::kafka::wrong;
use crate::env::Env;
use crate::error::Error;

/// What is moved, and where to.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The group
    group: String,
    /// A topic, or some of its partitions: orders or orders:0,2. As often as there are any; all that the group has read
    /// without it
    #[arg(long = "topic", value_name = "TOPIC[:N,..]")]
    topics: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Shows what would be done, and does nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// To the first record that is kept
    #[arg(long)]
    to_earliest: bool,
    /// Behind the last record
    #[arg(long)]
    to_latest: bool,
    /// To the first record at this time or later
    #[arg(long, value_name = "TIME")]
    to_datetime: Option<String>,
    /// To this offset
    #[arg(long, value_name = "OFFSET")]
    to_offset: Option<i64>,
    /// Forwards by so many offsets, or backwards
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    shift_by: Option<i64>,
}

/// Moves the group; offsets before the first record or behind the last one become the nearest that there is.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let time = arguments.target.to_datetime.as_deref().map(parse_time).transpose()?;
    let mut cluster = arguments.at.connect(env).await?;
    let node = cluster.coordinator(CoordinatorOf::Group, &arguments.group).await?;
    let before = positions::fetch(&mut cluster, node, &arguments.group).await?;
    let partitions = partitions(&mut cluster, &arguments, &before).await?;
    if partitions.is_empty() {
        return Err(wrong(format!("group \"{}\" stands nowhere", arguments.group)).hint("--topic says what to move."));
    }
    let after = moved(&mut cluster, &arguments.target, time, &partitions, &before).await?;
    if !arguments.dry_run {
        positions::commit(&mut cluster, node, &arguments.group, &after).await?;
    }
    let row = |((topic, partition), offset): (&(String, i32), &i64)| {
        let known = before.get(&(topic.clone(), *partition));
        vec![json!(arguments.group), json!(topic), json!(partition), json!(known), json!(offset)]
    };
    let columns = &["group", "topic", "partition", "from_offset", "to_offset"];
    show_all(arguments.format, columns, after.iter().map(row).collect())
}

/// What is to be moved, with leaders.
async fn partitions(
    cluster: &mut Cluster<'_>,
    arguments: &Arguments,
    before: &Positions,
) -> Result<TopicPartitions, Error> {
    let mut found = TopicPartitions::new();
    if arguments.topics.is_empty() {
        let names: BTreeSet<&String> = before.keys().map(|(topic, _)| topic).collect();
        for name in names {
            let partitions = cluster.partitions(name).await?;
            found.extend(partitions.into_iter().filter(|(_, index, _)| before.contains_key(&(name.clone(), *index))));
        }
        return Ok(found);
    }
    for text in &arguments.topics {
        let (name, numbers) = topic_and_partitions(text)?;
        let partitions = cluster.partitions(&name).await?;
        for number in &numbers {
            if !partitions.iter().any(|(_, index, _)| index == number) {
                return Err(wrong(format!("topic \"{name}\" has no partition {number}")));
            }
        }
        found.extend(partitions.into_iter().filter(|(_, index, _)| numbers.is_empty() || numbers.contains(index)));
    }
    Ok(found)
}

/// A topic's name, and the partitions that are named with it; none stands for all.
fn topic_and_partitions(text: &str) -> Result<(String, Vec<i32>), Error> {
    let Some((name, numbers)) = text.split_once(':') else { return Ok((text.to_string(), Vec::new())) };
    let number = |number: &str| {
        number.trim().parse().map_err(|_| wrong(format!("\"{number}\" in \"{text}\" is no partition's number")))
    };
    Ok((name.to_string(), numbers.split(',').map(number).collect::<Result<_, _>>()?))
}

async fn moved(
    cluster: &mut Cluster<'_>,
    target: &Target,
    time: Option<i64>,
    partitions: &TopicPartitions,
    before: &Positions,
) -> Result<Positions, Error> {
    let starts = list_offsets(cluster, partitions, Place::Start).await?;
    let ends = list_offsets(cluster, partitions, Place::End).await?;
    let times = match time {
        Some(time) => list_offsets(cluster, partitions, Place::Time(time)).await?,
        None => Positions::new(),
    };
    let mut after = Positions::new();
    for (topic, index, _) in partitions {
        let place = (topic.clone(), *index);
        let at = |offsets: &Positions| offsets.get(&place).copied().unwrap_or(0);
        let (start, end) = (at(&starts), at(&ends));
        let wanted = match target {
            Target { to_earliest: true, .. } => start,
            Target { to_latest: true, .. } => end,
            Target { to_offset: Some(offset), .. } => *offset,
            Target { shift_by: Some(by), .. } => match before.get(&place) {
                Some(position) => position.saturating_add(*by),
                None => {
                    let message = format!("group stands nowhere in partition {index} of topic \"{topic}\"");
                    return Err(wrong(message).hint("Only a position can be shifted."));
                }
            },
            Target { .. } => at(&times),
        };
        after.insert(place, wanted.clamp(start, end.max(start)));
    }
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_named_with_or_without_partitions() {
        assert_eq!(topic_and_partitions("t").ok(), Some(("t".to_string(), vec![])));
        assert_eq!(topic_and_partitions("t:0,12").ok(), Some(("t".to_string(), vec![0, 12])));
        assert!(topic_and_partitions("t:").is_err());
        assert!(topic_and_partitions("t:x").is_err());
    }
}
