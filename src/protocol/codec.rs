//! MessagePack frames: `[tag, count, fields…]`, one message a binary frame.
//!
//! `count` is the terminal's microsecond count on the way up and a sequence number on the way down. Elements after the known ones
//! are skipped, and known ones that are missing at the end take their default, so either side may be newer.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, DeserializeSeed, IgnoredAny, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

/// A decoded frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded<M> {
    /// Terminal to hub: microseconds of the EA's monotonic clock. Hub to terminal: sequence number.
    pub count: u64,
    /// The message; none when its tag is not known to this version, which is no error.
    pub message: Option<M>,
}

/// Bytes that are no message.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not MessagePack, or not of the message's shape.
    #[error("not a message: {0}")]
    Malformed(#[from] rmp_serde::decode::Error),
    /// Something follows the message.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
}

/// A set of messages told apart by a tag; made by the `messages!` macro.
pub trait Messages: Sized {
    /// Reads the fields of the message with this tag; none when the tag is unknown.
    ///
    /// # Errors
    /// Whatever the sequence says of a field of the wrong type.
    fn fields<'de, A: SeqAccess<'de>>(tag: u8, seq: &mut A) -> Result<Option<Self>, A::Error>;

    /// Writes tag, count and fields.
    fn encode(&self, count: u64) -> Vec<u8>;
}

/// Reads one frame.
///
/// # Errors
/// [`DecodeError`] for anything that is not exactly one message.
pub fn decode<M: Messages>(frame: &[u8]) -> Result<Decoded<M>, DecodeError> {
    let mut rest = frame;
    let decoded = reader(&mut rest).deserialize_any(FrameVisitor(PhantomData))?;
    if rest.is_empty() { Ok(decoded) } else { Err(DecodeError::Trailing(rest.len())) }
}

/// Arrays within arrays are read by recursion; no message has more than three levels.
const DEPTH_MAX: usize = 32;

fn reader<'a, 'r>(bytes: &'a mut &'r [u8]) -> rmp_serde::Deserializer<rmp_serde::decode::ReadReader<&'a mut &'r [u8]>> {
    let mut reader = rmp_serde::Deserializer::new(bytes);
    reader.set_max_depth(DEPTH_MAX);
    reader
}

struct FrameVisitor<M>(PhantomData<M>);

impl<'de, M: Messages> Visitor<'de> for FrameVisitor<M> {
    type Value = Decoded<M>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of tag, count and fields")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let missing = |what| serde::de::Error::invalid_length(what, &"tag and count");
        let tag: u8 = seq.next_element()?.ok_or_else(|| missing(0))?;
        let count: u64 = seq.next_element()?.ok_or_else(|| missing(1))?;
        let message = M::fields(tag, &mut seq)?;
        drain(&mut seq)?;
        Ok(Decoded { count, message })
    }
}

fn drain<'de, A: SeqAccess<'de>>(seq: &mut A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Reads the fields of `T`, a struct that derives `Deserialize`, from what is left of a sequence.
///
/// # Errors
/// Whatever the sequence says of a field of the wrong type.
pub fn body<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
    T::deserialize(SeqAccessDeserializer::new(seq))
}

/// Writes `[tag, count, fields…]`, where `fields` is a struct (an array in MessagePack).
pub fn write(tag: u8, count: u64, fields: &impl Serialize) -> Vec<u8> {
    // Writing into memory fails for no type of ours; an empty frame would be refused by the other side as malformed.
    let body = rmp_serde::to_vec(fields).unwrap_or_default();
    let mut start = body.as_slice();
    let fields = rmp::decode::read_array_len(&mut start).unwrap_or(0);
    let mut frame = Vec::with_capacity(start.len() + 16);
    let written = rmp::encode::write_array_len(&mut frame, fields + 2)
        .and_then(|_| rmp::encode::write_uint(&mut frame, u64::from(tag)))
        .and_then(|_| rmp::encode::write_uint(&mut frame, count));
    debug_assert!(written.is_ok());
    frame.extend_from_slice(start);
    frame
}

/// A nested record that, like a frame, may have more elements than this version knows.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Row<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Row<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RowVisitor(PhantomData))
    }
}

struct RowVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for RowVisitor<T> {
    type Value = Row<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of fields")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Row<T>, A::Error> {
        let row = body(&mut seq)?;
        drain(&mut seq)?;
        Ok(Row(row))
    }
}

/// At most `max` rows: a longer list is an error instead of memory.
///
/// # Errors
/// [`DecodeError`] for bytes that are no such list, or a longer one.
pub fn rows<T: DeserializeOwned>(bytes: &[u8], max: usize) -> Result<Vec<T>, DecodeError> {
    let mut rest = bytes;
    let rows = Rows { max, row: PhantomData }.deserialize(&mut reader(&mut rest))?;
    if rest.is_empty() { Ok(rows) } else { Err(DecodeError::Trailing(rest.len())) }
}

struct Rows<T> {
    max: usize,
    row: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Rows<T> {
    type Value = Vec<T>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Rows<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {} rows", self.max)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut rows = Vec::new();
        while let Some(Row(row)) = seq.next_element()? {
            if rows.len() == self.max {
                return Err(serde::de::Error::invalid_length(self.max + 1, &self));
            }
            rows.push(row);
        }
        Ok(rows)
    }
}

/// Writes rows as [`rows`] reads them.
pub fn write_rows<T: Serialize>(rows: &[T]) -> Vec<u8> {
    rmp_serde::to_vec(rows).unwrap_or_default()
}

/// One record on its own, as the body of a reply.
///
/// # Errors
/// [`DecodeError`] for bytes that are not exactly one such record.
pub fn record<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut rest = bytes;
    let Row(row) = Row::deserialize(&mut reader(&mut rest))?;
    if rest.is_empty() { Ok(row) } else { Err(DecodeError::Trailing(rest.len())) }
}

/// Writes a record as [`record`] reads it.
pub fn write_record(row: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(row).unwrap_or_default()
}
