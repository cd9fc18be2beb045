//! An export: everything the store holds after record N, and the journal's chain there, in one file that vouches for itself.
//!
//! ```text
//! header  magic "MTBEXPT\n" · version u32 · crc u32 · seq u64 · chain [32] · made at, ms i64 · rows u64 · body bytes u64
//!         · tombstones u64 · SHA-256 of the body [32] · zeros                                            128 bytes, integers LE
//! body    zstd of: rows      1 u8 · flags u8 (1 sealed) · seq u64 · key length u16 · value length u32 · key · value
//!                  records   2 u8 · kind u8 · seq u64 · chain [32] · payload length u32 · payload
//!                  end       0 u8
//! stones  (scope [32] · key id [8]) each, sorted · crc u32
//! ```
//!
//! Rows are read from the projection while it goes on: each is as old as the first record of the `records`, or newer. The records
//! written meanwhile follow, so that carrying them out over the rows gives exactly what was there after the last of them, N.
//! The header is written last. Sealed values are ciphertext, and those whose key was destroyed are left out.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::overlay::{Group, Slot, Stored};
use crate::crypto::Sha256;
use crate::store::disk::{self, Context as _, DurableFile};
use crate::store::journal::{Chain, Kind, Op, decode_ops};
use crate::store::sealing::Stone;
use crate::store::{Seq, StoreError};

const MAGIC: &[u8; 8] = b"MTBEXPT\n";
const VERSION: u32 = 1;
const HEADER: usize = 128;
const SUFFIX: &str = ".export";
/// Half-written ones; removed at the next start or export.
const UNFINISHED: &str = ".export.new";
/// No key or value is longer than that: the limits of a batch, and the overhead of sealing.
const LENGTH_MAX: usize = 16 << 20;
const ROW: u8 = 1;
const RECORD: u8 = 2;
const END: u8 = 0;
/// zstd's own default: three times smaller than what goes in, faster than a disk.
pub(super) const ZSTD_LEVEL: i32 = 3;

/// What an export's header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Export {
    pub(super) path: PathBuf,
    /// The last record in it, and the chain after it.
    pub(super) seq: Seq,
    pub(super) chain: Chain,
    /// When it was made, milliseconds since 1970, UTC.
    pub(super) made_at: i64,
    pub(super) rows: u64,
    body: u64,
    stones: u64,
    digest: [u8; 32],
}

/// The exports of a directory whose headers read, newest first. The others are told and left alone.
pub(super) fn list(dir: &Path) -> Result<Vec<Export>, StoreError> {
    let (found, unreadable) = list_all(dir)?;
    for (path, error) in unreadable {
        tracing::error!(path = %path.display(), %error, "this export is not used: its header does not read");
    }
    Ok(found)
}

/// A file that should be an export, and why it is none.
type Unreadable = (PathBuf, io::Error);

/// The exports of a directory whose headers read, newest first, and the others with what is wrong with them.
pub(super) fn list_all(dir: &Path) -> Result<(Vec<Export>, Vec<Unreadable>), StoreError> {
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    for name in disk::matching(dir, |name| name.ends_with(SUFFIX)).at("list", dir)? {
        let path = dir.join(name);
        match Export::read(&path) {
            Ok(export) => found.push(export),
            Err(error) => unreadable.push((path, error)),
        }
    }
    found.sort_by_key(|export| std::cmp::Reverse(export.seq));
    Ok((found, unreadable))
}

/// Removes what an interrupted export left.
pub(super) fn clean(dir: &Path) -> Result<(), StoreError> {
    disk::remove_matching(dir, |name| name.ends_with(UNFINISHED)).map(drop).at("clean", dir)
}

impl Export {
    fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = [0; HEADER];
        File::open(path)?.read_exact(&mut bytes)?;
        let crc = u32::from_le_bytes(field(&bytes, 12));
        if !bytes.starts_with(MAGIC) || crc != crc_of(&bytes) {
            return Err(not_whole("its header is not whole"));
        }
        let version = u32::from_le_bytes(field(&bytes, 8));
        if version > VERSION {
            return Err(not_whole("it was written by a newer mtbridge"));
        }
        Ok(Self {
            path: path.to_owned(),
            seq: u64::from_le_bytes(field(&bytes, 16)),
            chain: field(&bytes, 24),
            made_at: i64::from_le_bytes(field(&bytes, 56)),
            rows: u64::from_le_bytes(field(&bytes, 64)),
            body: u64::from_le_bytes(field(&bytes, 72)),
            stones: u64::from_le_bytes(field(&bytes, 80)),
            digest: field(&bytes, 88),
        })
    }

    fn encode(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[16..24].copy_from_slice(&self.seq.to_le_bytes());
        out[24..56].copy_from_slice(&self.chain);
        out[56..64].copy_from_slice(&self.made_at.to_le_bytes());
        out[64..72].copy_from_slice(&self.rows.to_le_bytes());
        out[72..80].copy_from_slice(&self.body.to_le_bytes());
        out[80..88].copy_from_slice(&self.stones.to_le_bytes());
        out[88..120].copy_from_slice(&self.digest);
        let crc = crc_of(&out);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The tombstones of everything up to [`Export::seq`].
    pub(super) fn tombstones(&self) -> io::Result<HashSet<Stone>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start((HEADER as u64).saturating_add(self.body)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        let (stones, crc) = tail.split_last_chunk::<4>().ok_or_else(|| not_whole("it ends too early"))?;
        let (each, rest) = stones.as_chunks::<40>();
        if !rest.is_empty() || each.len() as u64 != self.stones || u32::from_le_bytes(*crc) != crc32c::crc32c(stones) {
            return Err(not_whole("its tombstones are not whole"));
        }
        Ok(each.iter().map(|stone| (field(stone, 0), field(stone, 32))).collect())
    }

    /// Reads it through: whether every byte is as it was written.
    pub(super) fn check(&self) -> io::Result<()> {
        self.tombstones()?;
        let mut digest = Sha256::new();
        let mut body = self.open_body()?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match body.read(&mut buffer)? {
                0 => break,
                read => digest.update(&buffer[..read]),
            }
        }
        if digest.finish() == self.digest { Ok(()) } else { Err(not_whole("its contents are not what was written")) }
    }

    /// Hands out its contents in groups of about `bytes`; the last one carries N and the chain. [`Export::check`] comes first.
    pub(super) fn groups(&self, bytes: usize, mut take: impl FnMut(Group) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut group = Group::default();
        let mut body = zstd::Decoder::new(self.open_body().at("read", &self.path)?).at("read", &self.path)?;
        loop {
            match item(&mut body).at("read", &self.path)? {
                Item::Row(key, slot) => group.put(key, slot),
                // Numbered 0 until all is there: half an import must not look like a whole one.
                Item::Record(seq, ops) => group.add_slots(seq, ops),
                Item::End => break,
            }
            if group.bytes >= bytes {
                take(std::mem::take(&mut group))?;
            }
        }
        group.last = self.seq;
        group.chain = self.chain;
        take(group)
    }

    fn open_body(&self) -> io::Result<io::Take<io::BufReader<File>>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(HEADER as u64))?;
        Ok(io::BufReader::with_capacity(1 << 16, file).take(self.body))
    }
}

/// An export while it is written.
pub(super) struct Writing {
    temporary: PathBuf,
    body: zstd::Encoder<'static, Hashing>,
    rows: u64,
}

impl Writing {
    pub(super) fn begin(dir: &Path) -> io::Result<Self> {
        let temporary = dir.join(format!("0{UNFINISHED}"));
        let mut file = DurableFile::create(&temporary)?;
        file.write_all(&[0; HEADER])?;
        let hashing = Hashing { file: io::BufWriter::with_capacity(1 << 16, file), digest: Sha256::new(), bytes: 0 };
        Ok(Self { temporary, body: zstd::Encoder::new(hashing, ZSTD_LEVEL)?, rows: 0 })
    }

    pub(super) fn row(&mut self, key: &[u8], seq: Seq, stored: &Stored) -> io::Result<()> {
        self.rows += 1;
        self.body.write_all(&[ROW, u8::from(stored.sealed)])?;
        self.body.write_all(&seq.to_le_bytes())?;
        // Bounded by MAX_KEY and MAX_VALUE.
        self.body.write_all(&(key.len() as u16).to_le_bytes())?;
        self.body.write_all(&(stored.bytes.len() as u32).to_le_bytes())?;
        self.body.write_all(key)?;
        self.body.write_all(&stored.bytes)
    }

    pub(super) fn record(&mut self, kind: Kind, seq: Seq, chain: &Chain, payload: &[u8]) -> io::Result<()> {
        self.body.write_all(&[RECORD, kind as u8])?;
        self.body.write_all(&seq.to_le_bytes())?;
        self.body.write_all(chain)?;
        self.body.write_all(&(payload.len() as u32).to_le_bytes())?;
        self.body.write_all(payload)
    }

    /// Tombstones, header, sync, name, sync of the directory.
    pub(super) fn finish(
        mut self,
        dir: &Path,
        (seq, chain): (Seq, Chain),
        made_at: i64,
        stones: &HashSet<Stone>,
    ) -> io::Result<Export> {
        self.body.write_all(&[END])?;
        let Hashing { file, digest, bytes } = self.body.finish()?;
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let mut sorted: Vec<_> = stones.iter().collect();
        sorted.sort_unstable();
        let mut tail: Vec<u8> = sorted.iter().flat_map(|(scope, id)| scope.iter().chain(id)).copied().collect();
        let crc = crc32c::crc32c(&tail);
        tail.extend_from_slice(&crc.to_le_bytes());
        file.write_all(&tail)?;
        let export = Export {
            path: dir.join(format!("{seq:020}{SUFFIX}")),
            seq,
            chain,
            made_at,
            rows: self.rows,
            body: bytes,
            stones: stones.len() as u64,
            digest: digest.finish(),
        };
        file.seek(0)?;
        file.write_all(&export.encode())?;
        file.sync_all()?;
        disk::rename(&self.temporary, &export.path)?;
        disk::sync_dir(dir)?;
        Ok(export)
    }
}

/// Writes through, and hashes on the way.
struct Hashing {
    file: io::BufWriter<DurableFile>,
    digest: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

enum Item {
    Row(Vec<u8>, Slot),
    Record(Seq, Vec<Op>),
    End,
}

fn item(from: &mut impl Read) -> io::Result<Item> {
    match array::<1>(from)?[0] {
        ROW => {
            let sealed = array::<1>(from)?[0] & 1 != 0;
            let seq = u64::from_le_bytes(array(from)?);
            let key_length = usize::from(u16::from_le_bytes(array(from)?));
            let value_length = u32::from_le_bytes(array(from)?) as usize;
            let key = bytes(from, key_length)?;
            let stored = Stored { sealed, bytes: bytes(from, value_length)?.into() };
            Ok(Item::Row(key, Slot { seq, stored: Some(stored) }))
        }
        RECORD => {
            let kind = array::<1>(from)?[0];
            let seq = u64::from_le_bytes(array(from)?);
            let _chain: Chain = array(from)?;
            let length = u32::from_le_bytes(array(from)?) as usize;
            let payload = bytes(from, length)?;
            if kind == Kind::LossAccepted as u8 {
                return Ok(Item::Record(seq, Vec::new()));
            }
            decode_ops(&payload).map(|ops| Item::Record(seq, ops)).ok_or_else(|| not_whole("a record in it is not understood"))
        }
        END => Ok(Item::End),
        _ => Err(not_whole("it holds something that is neither row nor record")),
    }
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut out = [0; N];
    from.read_exact(&mut out)?;
    Ok(out)
}

fn bytes(from: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    if length > LENGTH_MAX {
        return Err(not_whole("a length in it is beyond every limit"));
    }
    let mut out = vec![0; length];
    from.read_exact(&mut out)?;
    Ok(out)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn crc_of(header: &[u8; HEADER]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..12]), &header[16..])
}

fn not_whole(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
