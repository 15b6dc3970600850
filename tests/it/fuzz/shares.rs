//! Mutated shares of members, in the consumers' own protocol, as a leader of a group may send them.

use tidemill::protocol::Writer;
use tidemill::protocol::assigned_partitions;

use super::shared::Outcome;
use super::shared::Target;
use super::shared::is_wanted;

#[test]
fn mutated_shares_never_panic_and_cost_a_small_multiple_of_what_is_there() {
    if !is_wanted("share") {
        return;
    }
    let read = |input: &[u8]| match assigned_partitions(input) {
        Ok(topics) => Outcome::new("whole", topics.values().map(std::collections::BTreeSet::len).sum()),
        Err(_) => Outcome::new("refused", 0),
    };
    let mut plain = Writer::new();
    plain.i16(1);
    plain.i32(2);
    for topic in ["t", "other"] {
        plain.string(topic);
        plain.i32(3);
        (0..3).for_each(|partition| plain.i32(partition));
    }
    // One name and many partitions: the name is not there once for each.
    let mut long = Writer::new();
    long.i16(1);
    long.i32(1);
    long.string(&"t".repeat(8_000));
    long.i32(2_000);
    (0..2_000).for_each(|partition| long.i32(partition));
    let target = Target { name: "share", multiple_max: 40, bytes_max: 4 << 10, read: &read };
    let report = target.run(&[plain.finish(), long.finish()]);
    assert!(report.found.keys().any(|outcome| outcome.kind == "refused"), "{} inputs", report.tried);
}
