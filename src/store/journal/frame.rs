//! The bytes of the journal: segment headers and frames. All integers little-endian.
//!
//! ```text
//! header  magic [8] "MTBJRNL\n" · version u32 · crc u32 · first seq u64 · chain head [32] · zeros [8]
//! frame   len u32 · crc u32 · seq u64 · kind u8 · place u16 · chain [32] · payload [len]
//! ```
//!
//! * `crc` is CRC-32C of every byte of the header (or frame) but its own four, in order: `len`, then `seq` to the end of the payload.
//! * `chain` is SHA-256(chain of the frame before ‖ seq ‖ kind ‖ payload); the chain before the first frame is 32 zeros.
//!   A segment's header repeats the chain of the last frame before it.
//! * `place` is the frame's place in its group, 0 for the first. A group is written with one sync, and only after the
//!   group before it was synced; so a frame proves that everything below `seq - place` was durable before it was
//!   written. That is what tells a torn group (its later half may reach the disk without its first) from damage.

use crate::{crypto, store::Seq};

/// Version of the journal's bytes.
pub(crate) const VERSION: u32 = 1;
/// Bytes before a segment's first frame.
pub(crate) const HEADER: usize = 64;
/// Bytes of a frame before its payload.
pub(crate) const FRAME: usize = 4 + 4 + 8 + 1 + 2 + 32;
/// No payload is longer: a batch of `MAX_BATCH` and its overhead fit well.
pub(crate) const MAX_PAYLOAD: usize = 8 * 1024 * 1024;

const MAGIC: &[u8; 8] = b"MTBJRNL\n";

/// The running hash over all records.
pub(crate) type Chain = [u8; 32];
/// The chain before the first record of a store's life.
pub(crate) const GENESIS: Chain = [0; 32];

/// What a frame's payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Operations of one batch.
    Batch = 1,
    /// The same, and some of them are shreds: marked, so that every start can carry them out without reading all payloads.
    Shredding = 2,
    /// Ranges of records that an operator has accepted as lost.
    LossAccepted = 3,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Batch),
            2 => Some(Self::Shredding),
            3 => Some(Self::LossAccepted),
            _ => None,
        }
    }
}

/// The start of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) first: Seq,
    pub(crate) chain: Chain,
}

/// Why a header is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Newer(u32),
    NotWhole,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[16..24].copy_from_slice(&self.first.to_le_bytes());
        out[24..56].copy_from_slice(&self.chain);
        let crc = crc_without(&out, 12);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(data: &[u8]) -> Result<Self, BadHeader> {
        let bytes = data.first_chunk::<HEADER>().ok_or(BadHeader::NotWhole)?;
        if !bytes.starts_with(MAGIC) || crc_without(bytes, 12) != u32_at(bytes, 12) {
            return Err(BadHeader::NotWhole);
        }
        let version = u32_at(bytes, 8);
        if version > VERSION {
            return Err(BadHeader::Newer(version));
        }
        Ok(Self { first: u64_at(bytes, 16), chain: chain_at(bytes, 24) })
    }
}

/// One record, read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) seq: Seq,
    pub(crate) kind: Kind,
    pub(crate) place: u16,
    pub(crate) chain: Chain,
    pub(crate) payload: &'a [u8],
}

impl Frame<'_> {
    /// Bytes of the whole frame.
    pub(crate) fn length(&self) -> usize {
        FRAME + self.payload.len()
    }

    /// Every record below this was durable when this frame was written.
    pub(crate) fn durable_before(&self) -> Seq {
        self.seq.saturating_sub(u64::from(self.place))
    }

    /// Whether this frame follows a record whose chain was `before`.
    pub(crate) fn follows(&self, before: &Chain) -> bool {
        link(before, self.seq, self.kind, self.payload) == self.chain
    }
}

/// The chain after a record.
pub(crate) fn link(before: &Chain, seq: Seq, kind: Kind, payload: &[u8]) -> Chain {
    crypto::sha256(&[before, &seq.to_le_bytes(), &[kind as u8], payload])
}

/// Appends a frame to `out`.
pub(crate) fn encode_onto(out: &mut Vec<u8>, frame: &Frame<'_>) {
    let start = out.len();
    // Payloads are bounded by MAX_PAYLOAD, far below u32.
    out.extend_from_slice(&(frame.payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&frame.seq.to_le_bytes());
    out.push(frame.kind as u8);
    out.extend_from_slice(&frame.place.to_le_bytes());
    out.extend_from_slice(&frame.chain);
    out.extend_from_slice(frame.payload);
    let crc = crc_without(&out[start..], 4);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// The frame at the start of `data`, or `None` if there is no whole one.
pub(crate) fn decode(data: &[u8]) -> Option<Frame<'_>> {
    let head = data.first_chunk::<FRAME>()?;
    let length = u32_at(head, 0) as usize;
    let (seq, kind) = (u64_at(head, 8), Kind::from_byte(head[16])?);
    if seq == 0 || length > MAX_PAYLOAD {
        return None;
    }
    let whole = data.get(..FRAME + length)?;
    if crc_without(whole, 4) != u32_at(head, 4) {
        return None;
    }
    Some(Frame {
        seq,
        kind,
        place: u16::from_le_bytes([head[17], head[18]]),
        chain: chain_at(head, 19),
        payload: &whole[FRAME..],
    })
}

/// Where a segment's records end, and the number of the last: up to the first that does not follow the one before it. The last one may
/// itself end with zeros, which [`written`] takes for space.
pub(crate) fn end(data: &[u8]) -> (usize, Seq) {
    let Ok(header) = Header::decode(data) else { return (HEADER.min(data.len()), 0) };
    let (mut at, mut last, mut chain) = (HEADER, header.first.saturating_sub(1), header.chain);
    while let Some(frame) = decode(&data[at..]).filter(|frame| frame.seq == last + 1 && frame.follows(&chain)) {
        at += frame.length();
        (last, chain) = (frame.seq, frame.chain);
    }
    (at, last)
}

/// Length of `data` without the zeros at its end: preallocated space that was never written reads as zeros. The last record ends there
/// or later, since its payload may end with zeros too.
pub(crate) fn written(data: &[u8]) -> usize {
    const BLANK: [u8; 4096] = [0; 4096];
    // Whole blocks first: a fresh segment is 64 MiB of them.
    let blank: usize = data.rchunks(BLANK.len()).take_while(|block| **block == BLANK[..block.len()]).map(<[u8]>::len).sum();
    let rest = &data[..data.len() - blank];
    rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// CRC-32C of `bytes` but the four at `at`.
fn crc_without(bytes: &[u8], at: usize) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..at]), &bytes[at + 4..])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut out = [0; 4];
    out.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(out)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(out)
}

fn chain_at(bytes: &[u8], at: usize) -> Chain {
    let mut out = [0; 32];
    out.copy_from_slice(&bytes[at..at + 32]);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let chain = link(&GENESIS, 7, Kind::Batch, payload);
        encode_onto(&mut out, &Frame { seq: 7, kind: Kind::Batch, place: 3, chain, payload });
        out
    }

    #[test]
    fn a_frame_with_any_single_bit_flipped_is_not_a_frame() {
        let bytes = sample(b"payload");
        assert_eq!(decode(&bytes).unwrap().durable_before(), 4);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_header_with_any_single_bit_flipped_is_refused() {
        let header = Header { first: 5, chain: [9; 32] };
        assert_eq!(Header::decode(&header.encode()).unwrap(), header);
        for bit in 0..HEADER * 8 {
            let mut flipped = header.encode();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn decoding_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
            let _ = Header::decode(&bytes);
        }

        #[test]
        fn decoding_a_mangled_frame_never_panics_and_never_gives_another_payload(
            payload in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..300, at in 0usize..300, with in any::<u8>(),
        ) {
            let mut bytes = sample(&payload);
            let whole = bytes.clone();
            let index = at % bytes.len();
            bytes[index] = with;
            bytes.truncate(cut);
            if let Some(frame) = decode(&bytes) {
                prop_assert_eq!(frame.payload, payload.as_slice());
                prop_assert_eq!(&bytes[..frame.length()], whole.as_slice());
            }
        }

        #[test]
        fn every_payload_round_trips(payload in proptest::collection::vec(any::<u8>(), 0..2000), tail in proptest::collection::vec(any::<u8>(), 0..50)) {
            let mut bytes = sample(&payload);
            bytes.extend_from_slice(&tail);
            let frame = decode(&bytes).unwrap();
            prop_assert_eq!(frame.payload, payload.as_slice());
            prop_assert!(frame.follows(&GENESIS));
        }
    }
}
