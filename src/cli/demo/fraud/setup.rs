//! The relations and rules of `sql/fraud`, and what an earlier start has left.

use crate::cli::datagen::Payment;
use crate::cli::datagen::Payments;
use crate::cli::datagen::send_tables;
use crate::cli::demo::output::say;
use crate::cli::sql::Client;
use crate::cli::sql::SqlError;
use crate::cli::sql::statements;

/// The files that make relations, with their texts.
const MAKERS: [(&str, &str); 7] = [
    ("01_relations", include_str!("../../../../sql/fraud/01_relations.sql")),
    ("02_velocity", include_str!("../../../../sql/fraud/02_velocity.sql")),
    ("03_travel", include_str!("../../../../sql/fraud/03_travel.sql")),
    ("04_card_testing", include_str!("../../../../sql/fraud/04_card_testing.sql")),
    ("05_spending", include_str!("../../../../sql/fraud/05_spending.sql")),
    ("06_terminals", include_str!("../../../../sql/fraud/06_terminals.sql")),
    ("07_alerts", include_str!("../../../../sql/fraud/07_alerts.sql")),
];

/// Makes what is not there, and tells each file; what is there already counts as made.
pub(super) async fn make(client: &mut Client) -> Result<(), SqlError> {
    for (name, text) in MAKERS {
        let mut tags: Vec<String> = Vec::new();
        for statement in statements(text) {
            let insert = is_insert(&statement);
            // An INSERT from a stream is a query like any other, but has no name by which it could be there already.
            if insert && number(client, &running(&statement)).await? != 0 {
                continue;
            }
            let tag = client.execute(&statement).await?;
            if tag != "SET" {
                tags.push(if insert { "INSERT".to_string() } else { tag });
            }
        }
        say(&format!("sql/fraud/{name}.sql: {}\n", counted(&tags)));
    }
    Ok(())
}

fn is_insert(statement: &str) -> bool {
    let code = statement.lines().find(|line| !line.trim_start().starts_with("--"));
    code.is_some_and(|line| line.trim_start().starts_with("INSERT"))
}

/// How many queries were made by this very statement.
fn running(statement: &str) -> String {
    let code: Vec<&str> = statement.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let quoted = code.join("\n").trim().replace('\'', "''");
    format!("SELECT COUNT(*) FROM tidemill.queries WHERE POSITION('{quoted}' IN statement) != 0")
}

/// `2 CREATE TABLE, CREATE STREAM`.
fn counted(tags: &[String]) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for tag in tags {
        match kinds.iter_mut().find(|(kind, _)| kind == tag) {
            Some((_, count)) => *count += 1,
            None => kinds.push((tag, 1)),
        }
    }
    let shown = kinds.iter().map(|(kind, count)| match count {
        1 => (*kind).to_string(),
        count => format!("{count} {kind}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Sends cards and merchants if they are not there, and goes past the payments that are; these.
pub(super) async fn go_on(client: &mut Client, payments: &mut Payments) -> Result<Vec<Payment>, SqlError> {
    let cards = number(client, "SELECT COUNT(*) FROM cards").await?;
    let merchants = number(client, "SELECT COUNT(*) FROM merchants").await?;
    if cards == 0 || merchants == 0 {
        send_tables(client, payments).await?;
    }
    let found = number(client, "SELECT COUNT(*) FROM payments").await?;
    let passed: Vec<Payment> = payments.by_ref().take(found).collect();
    if let Some(last) = passed.last() {
        // Other options would have given others.
        let question = format!(
            "SELECT COUNT(*) FROM payments WHERE payment_id = {} AND card_id = '{}' AND CAST(amount * 100 AS BIGINT) = {}",
            last.payment_id,
            last.card_id(),
            last.amount_cents
        );
        if number(client, &question).await? != 1 {
            return Err(SqlError::Usage(format!(
                "the {found} payments that are there were made with other options: give the same ones, or another --data-dir"
            )));
        }
        say(&format!("{found} payments are there from an earlier start; it goes on after them.\n"));
    }
    Ok(passed)
}

/// The one number of an answer.
pub(super) async fn number(client: &mut Client, question: &str) -> Result<usize, SqlError> {
    let rows = client.rows(question).await?.1;
    let cell = rows.first().and_then(|row| row.first()).cloned().flatten();
    cell.and_then(|count| count.parse().ok()).ok_or(SqlError::Protocol("a count is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_counted() {
        let tags = ["CREATE TABLE", "CREATE TABLE", "CREATE STREAM"].map(str::to_string);
        assert_eq!(counted(&tags), "2 CREATE TABLE, CREATE STREAM");
    }

    #[test]
    fn the_rules_of_all_kinds_write_alerts() {
        let (_, text) = MAKERS[6];
        let inserts: Vec<String> = statements(text).into_iter().filter(|statement| is_insert(statement)).collect();
        assert_eq!(inserts.len(), 5);
        assert!(inserts.iter().all(|insert| !running(insert).contains("--")));
    }
}
