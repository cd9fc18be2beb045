//! Where a page ended: opaque to callers, and refused when it comes back with another question.

use super::error::{ApiError, ApiResult};

/// A place in a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// A time, or whatever else the series is ordered by.
    pub(super) at: i64,
    /// So many of that time were told already.
    pub(super) skip: u32,
}

impl Cursor {
    /// As text, for this question.
    pub(super) fn write(self, question: &[&str]) -> String {
        format!("{:016x}{:08x}{:08x}", self.at, self.skip, self.check(question))
    }

    /// Reads one that was written for the same question.
    ///
    /// # Errors
    /// 422.
    pub(super) fn read(text: &str, question: &[&str]) -> ApiResult<Self> {
        let wrong = || {
            ApiError::field("cursor", "must be the next_cursor of an earlier answer to this request; keep its other parameters")
        };
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let part = |range: std::ops::Range<usize>| u64::from_str_radix(&text[range], 16).ok();
        let (Some(at), Some(skip), Some(check)) = (part(0..16), part(16..24), part(24..32)) else { return Err(wrong()) };
        let cursor = Self { at: at.cast_signed(), skip: u32::try_from(skip).unwrap_or(u32::MAX) };
        if u64::from(cursor.check(question)) == check { Ok(cursor) } else { Err(wrong()) }
    }

    /// Against mistakes, not against malice: whoever makes one up only skips his own bars.
    fn check(self, question: &[&str]) -> u32 {
        let start = crc32c::crc32c(&[self.at.to_be_bytes().as_slice(), &self.skip.to_be_bytes()].concat());
        question.iter().fold(start, |crc, part| crc32c::crc32c_append(crc32c::crc32c_append(crc, part.as_bytes()), b"\0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_only_with_its_question() {
        let cursor = Cursor { at: -1_710_000_000, skip: 7 };
        let text = cursor.write(&["bars", "EURUSD", "M1"]);
        assert_eq!(Cursor::read(&text, &["bars", "EURUSD", "M1"]).unwrap(), cursor);
        assert!(Cursor::read(&text, &["bars", "EURUSD", "M5"]).is_err());
        assert!(Cursor::read(&text, &["bars", "EURUSDM1", ""]).is_err());
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let text = Cursor { at: 5, skip: 0 }.write(&["x"]);
        let flipped = text.replacen('5', "6", 1);
        for text in ["", "x", "b5", &text[1..], &flipped, &format!("+{}", &text[1..]), &"é".repeat(16)] {
            assert!(Cursor::read(text, &["x"]).is_err(), "{text}");
        }
    }
}
