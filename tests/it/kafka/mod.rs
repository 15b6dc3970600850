//! The Kafka door: what real clients do, with a client whose every byte is known.

mod admin;
mod bad_arguments;
mod client;
mod commands;
mod consumer_groups;
mod groups;
mod hostile;
mod kills;
mod one_node;
mod pages;
mod produce_fetch;
mod reference;
mod sql;
mod transactions;
mod worker;
