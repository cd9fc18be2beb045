//! WebSocket frames cut out of a stream, without being changed (RFC 6455, section 5.2).

/// A head larger than this is none.
const HEAD_MAX: usize = 64 * 1024;
/// Opcode of a binary frame.
const BINARY: u8 = 2;
/// Opcode of a close frame.
const CLOSE: u8 = 8;

/// A piece of what one side says.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// The handshake's head, up to the empty line.
    Head(Vec<u8>),
    /// One frame as it came, and its payload in clear.
    Frame(Frame),
}

/// One frame.
#[derive(Debug, PartialEq)]
pub(super) struct Frame {
    /// As it came.
    pub(super) raw: Vec<u8>,
    opcode: u8,
    is_whole: bool,
    /// Unmasked.
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// The tag of the protocol's message, if the frame is a whole one.
    pub(super) fn tag(&self) -> Option<u8> {
        let is_message = self.opcode == BINARY && self.is_whole;
        let after = match self.payload.first()? {
            0x90..=0x9f => 1,
            0xdc => 3,
            _ => return None,
        };
        self.payload.get(after).copied().filter(|_| is_message)
    }

    /// Code and words of a close frame.
    pub(super) fn close(&self) -> Option<(u16, String)> {
        let code = self.payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
        let words = self.payload.get(2..).map(|words| String::from_utf8_lossy(words).into_owned());
        (self.opcode == CLOSE).then(|| (code, words.unwrap_or_default()))
    }
}

/// What one side has said and is not yet cut.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) buffer: Vec<u8>,
    is_open: bool,
}

impl Stream {
    /// The next whole piece.
    pub(super) fn next(&mut self) -> Option<Piece> {
        if !self.is_open {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
            let end = end.or_else(|| (self.buffer.len() > HEAD_MAX).then_some(self.buffer.len()))?;
            self.is_open = true;
            return Some(Piece::Head(self.buffer.drain(..end).collect()));
        }
        let [first, second, ..] = *self.buffer.as_slice() else { return None };
        let (mut at, masked) = (2, second & 0x80 != 0);
        let length = match second & 0x7f {
            126 => {
                at += 2;
                u64::from(u16::from_be_bytes(*self.buffer.get(2..)?.first_chunk()?))
            }
            127 => {
                at += 8;
                u64::from_be_bytes(*self.buffer.get(2..)?.first_chunk()?)
            }
            short => u64::from(short),
        };
        let mask: [u8; 4] = if masked { *self.buffer.get(at..)?.first_chunk()? } else { [0; 4] };
        at += if masked { 4 } else { 0 };
        let end = at.checked_add(usize::try_from(length).ok()?)?;
        if self.buffer.len() < end {
            return None;
        }
        let raw: Vec<u8> = self.buffer.drain(..end).collect();
        let payload = raw[at..].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        Some(Piece::Frame(Frame { raw, opcode: first & 0x0f, is_whole: first & 0x80 != 0, payload }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_where_they_end_and_read_through_their_mask() {
        let mut stream = Stream::default();
        stream.buffer.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(stream.next(), Some(Piece::Head(b"GET / HTTP/1.1\r\n\r\n".to_vec())));
        // A masked binary frame of three bytes: [4, 7].
        let masked = [0x82, 0x83, 1, 2, 3, 4, 0x92 ^ 1, 0x04 ^ 2, 0x07 ^ 3];
        stream.buffer.extend_from_slice(&masked[..5]);
        assert_eq!(stream.next(), None);
        stream.buffer.extend_from_slice(&masked[5..]);
        let Some(Piece::Frame(frame)) = stream.next() else { panic!("a frame") };
        assert_eq!((frame.raw.as_slice(), frame.tag(), frame.close()), (&masked[..], Some(4), None));
        stream.buffer.extend_from_slice(&[0x88, 4, 0x11, 0x94, b'n', b'o']);
        let Some(Piece::Frame(frame)) = stream.next() else { panic!("a frame") };
        assert_eq!((frame.tag(), frame.close()), (None, Some((4500, "no".into()))));
        let long = [vec![0x82, 126, 1, 0], vec![0x9f; 256]].concat();
        stream.buffer.extend_from_slice(&long);
        assert!(matches!(stream.next(), Some(Piece::Frame(frame)) if frame.raw == long && frame.payload.len() == 256));
        assert_eq!(stream.next(), None);
    }
}
