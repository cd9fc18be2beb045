//! The words between the host and a translated Expert Advisor: one line each, its fields separated by tabs.

use serde::{Deserialize, Serialize};

use crate::protocol::codec;

/// A line's fields, unescaped.
pub(super) type Fields = Vec<String>;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `?`: the program asks and waits.
    Ask,
    /// `=`: the answer.
    Answer,
    /// `.`: the program tells.
    Tell,
    /// `!`: the host pushes.
    Event,
}

impl Kind {
    const fn mark(self) -> char {
        match self {
            Self::Ask => '?',
            Self::Answer => '=',
            Self::Tell => '.',
            Self::Event => '!',
        }
    }
}

/// A line with its end.
pub(super) fn write<T: AsRef<str>>(kind: Kind, fields: &[T]) -> String {
    let mut line = String::from(kind.mark());
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            line.push('\t');
        }
        for one in field.as_ref().chars() {
            match one {
                '\t' => line.push_str("\\t"),
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\\' => line.push_str("\\\\"),
                one => line.push(one),
            }
        }
    }
    line.push('\n');
    line
}

/// Reads a line without its end; none if it is neither a question nor told.
pub(super) fn read(line: &str) -> Option<(Kind, Fields)> {
    let kind = [Kind::Ask, Kind::Tell].into_iter().find(|kind| line.starts_with(kind.mark()))?;
    let mut fields = vec![String::new()];
    let mut rest = line[1..].chars();
    while let Some(one) = rest.next() {
        let field = match one {
            '\t' => {
                fields.push(String::new());
                continue;
            }
            '\\' => match rest.next()? {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                other => other,
            },
            one => one,
        };
        fields.last_mut()?.push(field);
    }
    Some((kind, fields))
}

/// One value of a record; records within records stay records.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Real(f64),
    Text(String),
    Record(Vec<Self>),
    Nothing(()),
}

impl Value {
    fn into_fields(self, out: &mut Fields) {
        match self {
            Self::Bool(value) => out.push(u8::from(value).to_string()),
            Self::Unsigned(value) => out.push(value.to_string()),
            Self::Signed(value) => out.push(value.to_string()),
            // The shortest text that reads back as the same number.
            Self::Real(value) => out.push(value.to_string()),
            Self::Text(value) => out.push(value),
            Self::Record(values) => values.into_iter().for_each(|value| value.into_fields(out)),
            Self::Nothing(()) => out.push(String::new()),
        }
    }
}

/// The fields of a record as the wire has it, records within it one after the other. Nothing if it is none.
pub(super) fn fields(record: &[u8]) -> Fields {
    let mut out = Fields::new();
    if let Ok(value) = codec::record::<Value>(record) {
        value.into_fields(&mut out);
    }
    out
}

/// The rows of a reply's body, each as its fields.
pub(super) fn table(body: &[u8]) -> Vec<Fields> {
    let row = |value: Value| {
        let mut out = Fields::new();
        value.into_fields(&mut out);
        out
    };
    codec::rows::<Value>(body, usize::MAX).unwrap_or_default().into_iter().map(row).collect()
}

/// The fields of a record in memory.
pub(super) fn fields_of(record: &impl Serialize) -> Fields {
    fields(&codec::write_record(record))
}

/// The number of rows, and then the fields of each.
pub(super) fn rows(rows: &[Fields]) -> Fields {
    std::iter::once(rows.len().to_string()).chain(rows.iter().flatten().cloned()).collect()
}

/// Two hexadecimal digits a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    bytes.iter().flat_map(digits).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{market::Tick, trade::TradeRequest};

    #[test]
    fn a_line_reads_back_whatever_stands_in_its_fields() {
        let fields = ["symbol", "a\tb", "c\\n", "d\ne\r", "", "é €"];
        let line = write(Kind::Ask, &fields);
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(read(line.trim_end_matches('\n')), Some((Kind::Ask, fields.map(str::to_owned).to_vec())));
        assert_eq!(read("=1"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn records_become_fields_in_their_order_and_numbers_keep_every_digit() {
        let tick = Tick { time: -5, bid: 0.1 + 0.2, ask: 1e-7, last: 2.0, volume: u64::MAX, ..Tick::default() };
        let texts = fields_of(&tick);
        assert_eq!(texts[..5], ["-5", "0.30000000000000004", "0.0000001", "2", "18446744073709551615"]);
        let request = TradeRequest { action: 1, symbol: "EURUSD".into(), volume: 0.01, ..TradeRequest::default() };
        let texts = fields_of(&request);
        assert_eq!((texts.len(), texts[3].as_str(), texts[4].as_str()), (17, "EURUSD", "0.01"));
        assert_eq!(rows(&[vec!["a".into()], vec!["b".into()]]), ["2", "a", "b"]);
        assert_eq!(hex(&[0, 0xff, 0x1a]), "00ff1a");
    }
}
