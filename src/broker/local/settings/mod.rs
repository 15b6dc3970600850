//! A topic's settings under Kafka's names: all that Apache Kafka 4.1 lists. Most are obeyed, some are kept for those who ask
//! and not obeyed, some have one value here; what each is says its documentation.

mod setting;
mod table;
mod value;

#[cfg(test)]
mod tests;

pub use setting::ListChange;
pub use setting::SettingKind;
pub use setting::TopicSetting;
pub use table::TOPIC_SETTINGS;
