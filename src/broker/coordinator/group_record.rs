//! The value of Kafka's GroupMetadata record: a group's generation, protocol, leader and members. Versions 0 to 4 are
//! read, version 3 is written.

use bytes::Bytes;

use super::tags::for_each_tag;
use crate::protocol::PrimitiveError;
use crate::protocol::Reader;
use crate::protocol::Writer;

const VERSION: i16 = 3;
const VERSION_FLEXIBLE: i16 = 4;

/// What a group's record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) struct GroupMetadata {
    /// What kind of group it is; empty if nobody joined yet.
    pub protocol_type: String,
    pub generation: i32,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    /// Since when the group is empty, or is not.
    pub since_ms: i64,
    pub members: Vec<MemberMetadata>,
}

/// A member in a group's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) struct MemberMetadata {
    pub member: String,
    pub instance: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}

impl GroupMetadata {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = Writer::new();
        value.i16(VERSION);
        value.string(&self.protocol_type);
        value.i32(self.generation);
        value.nullable_string(self.protocol.as_deref());
        value.nullable_string(self.leader.as_deref());
        value.i64(self.since_ms);
        value.array_count(self.members.len());
        for member in &self.members {
            value.string(&member.member);
            value.nullable_string(member.instance.as_deref());
            value.string(&member.client_id);
            value.string(&member.client_host);
            value.i32(member.rebalance_timeout_ms);
            value.i32(member.session_timeout_ms);
            value.bytes(&member.subscription);
            value.bytes(&member.assignment);
        }
        value.finish()
    }

    /// `Ok(None)` for a version of a newer Kafka.
    pub(super) fn decode(value: &[u8]) -> Result<Option<Self>, PrimitiveError> {
        let mut reader = Reader::new(value);
        let version = reader.i16()?;
        if !(0..=VERSION_FLEXIBLE).contains(&version) {
            return Ok(None);
        }
        let mut fields = Fields { reader, version };
        let protocol_type = fields.string()?;
        let generation = fields.reader.i32()?;
        let protocol = fields.nullable_string()?;
        let leader = fields.nullable_string()?;
        let since_ms = if 2 <= version { fields.reader.i64()? } else { -1 };
        let count = match fields.is_flexible() {
            true => fields.reader.compact_array_count()?,
            false => fields.reader.array_count()?,
        };
        let members = (0..count).map(|_| fields.member()).collect::<Result<_, _>>()?;
        Ok(Some(Self { protocol_type, generation, protocol, leader, since_ms, members }))
    }
}

/// The fields of a value in one version.
struct Fields<'a> {
    reader: Reader<'a>,
    version: i16,
}

impl Fields<'_> {
    fn is_flexible(&self) -> bool {
        VERSION_FLEXIBLE <= self.version
    }

    fn member(&mut self) -> Result<MemberMetadata, PrimitiveError> {
        let member = self.string()?;
        let instance = if 3 <= self.version { self.nullable_string()? } else { None };
        let client_id = self.string()?;
        let client_host = self.string()?;
        let rebalance_timeout_ms = if 1 <= self.version { Some(self.reader.i32()?) } else { None };
        let session_timeout_ms = self.reader.i32()?;
        let subscription = self.bytes()?;
        let assignment = self.bytes()?;
        if self.is_flexible() {
            for_each_tag(&mut self.reader, |_, _| Ok(()))?;
        }
        Ok(MemberMetadata {
            member,
            instance,
            client_id,
            client_host,
            rebalance_timeout_ms: rebalance_timeout_ms.unwrap_or(session_timeout_ms),
            session_timeout_ms,
            subscription,
            assignment,
        })
    }

    fn string(&mut self) -> Result<String, PrimitiveError> {
        let text = if self.is_flexible() { self.reader.compact_string()? } else { self.reader.string()? };
        Ok(text.to_string())
    }

    fn nullable_string(&mut self) -> Result<Option<String>, PrimitiveError> {
        let text = match self.is_flexible() {
            true => self.reader.compact_nullable_string()?,
            false => self.reader.nullable_string()?,
        };
        Ok(text.map(str::to_string))
    }

    fn bytes(&mut self) -> Result<Bytes, PrimitiveError> {
        let bytes = match self.is_flexible() {
            true => self.reader.compact_nullable_bytes()?.unwrap_or_default(),
            false => self.reader.bytes()?,
        };
        Ok(Bytes::copy_from_slice(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two members' fields but for what later versions add: name, [instance], client, host, [rebalance], session, bytes.
    fn member(version: i16, value: &mut Writer) {
        value.string("m");
        if 3 <= version {
            value.nullable_string(Some("i"));
        }
        value.string("c");
        value.string("/127.0.0.1");
        if 1 <= version {
            value.i32(300);
        }
        value.i32(45);
        value.bytes(b"s");
        value.bytes(b"a");
    }

    #[test]
    fn every_version_that_kafka_wrote_is_read() {
        for version in 0..=3 {
            let mut value = Writer::new();
            value.i16(version);
            value.string("consumer");
            value.i32(7);
            value.nullable_string(Some("range"));
            value.nullable_string(Some("m"));
            if 2 <= version {
                value.i64(99);
            }
            value.array_count(1);
            member(version, &mut value);
            let metadata = GroupMetadata::decode(&value.finish()).expect("well formed").expect("a known version");
            assert_eq!((metadata.generation, metadata.protocol.as_deref()), (7, Some("range")));
            assert_eq!(metadata.since_ms, if 2 <= version { 99 } else { -1 });
            let member = &metadata.members[0];
            assert_eq!(member.instance.as_deref(), (3 <= version).then_some("i"));
            assert_eq!(member.rebalance_timeout_ms, if 1 <= version { 300 } else { 45 });
            assert_eq!((&member.subscription[..], &member.assignment[..]), (&b"s"[..], &b"a"[..]));
        }
    }

    #[test]
    fn the_flexible_version_is_read_and_a_newer_one_is_passed() {
        let mut value = Writer::new();
        value.i16(4);
        value.compact_string("consumer");
        value.i32(1);
        value.compact_nullable_string(None);
        value.compact_nullable_string(None);
        value.i64(5);
        value.compact_array_count(0);
        value.no_tagged_fields();
        let mut bytes = value.finish();
        let metadata = GroupMetadata::decode(&bytes).expect("well formed").expect("a known version");
        assert_eq!((metadata.protocol_type.as_str(), metadata.generation, metadata.members.len()), ("consumer", 1, 0));
        bytes[1] = 5;
        assert_eq!(GroupMetadata::decode(&bytes), Ok(None));
    }
}
