//! Constants of MQL as constants of C++.

/// The UTF-8 bytes of the inside of a quoted text, its escapes resolved. `None`: an escape that MQL does not know.
fn bytes(inner: &str) -> Option<Vec<u8>> {
    let mut found = String::new();
    let mut chars = inner.chars().peekable();
    while let Some(letter) = chars.next() {
        if letter != '\\' {
            found.push(letter);
            continue;
        }
        found.push(match chars.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '0' => '\0',
            'x' | 'X' => {
                let mut code = 0;
                let mut digits = 0;
                while let Some(digit) = chars.peek().and_then(|digit| digit.to_digit(16)).filter(|_| digits < 4) {
                    code = code * 16 + digit;
                    digits += 1;
                    chars.next();
                }
                char::from_u32(code).filter(|_| digits > 0)?
            }
            same @ ('\\' | '\'' | '"') => same,
            _ => return None,
        });
    }
    Some(found.into_bytes())
}

/// `"text"` with its quotes becomes `"text"_s`.
pub(super) fn text(quoted: &str) -> Option<String> {
    let mut found = String::from("\"");
    for byte in bytes(&quoted[1..quoted.len() - 1])? {
        match byte {
            b'"' | b'\\' => {
                found.push('\\');
                found.push(char::from(byte));
            }
            b' '..=b'~' => found.push(char::from(byte)),
            // Three octal digits end by themselves, unlike hexadecimal ones.
            _ => found.push_str(&format!("\\{byte:03o}")),
        }
    }
    Some(found + "\"_s")
}

/// `'x'` becomes a number of MQL's type of characters.
pub(super) fn character(quoted: &str) -> Option<String> {
    let text = String::from_utf8(bytes(&quoted[1..quoted.len() - 1])?).ok()?;
    let mut units = text.encode_utf16();
    match (units.next(), units.next()) {
        (Some(unit), None) => Some(format!("((ushort){unit})")),
        _ => None,
    }
}

/// `C'255,0,0x80'`: red is the lowest byte.
pub(super) fn color(quoted: &str) -> Option<String> {
    let part = |text: &str| {
        let text = text.trim();
        let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        hex.map_or_else(|| text.parse::<u8>().ok(), |digits| u8::from_str_radix(digits, 16).ok())
    };
    let parts: Option<Vec<u8>> = quoted[2..quoted.len() - 1].split(',').map(part).collect();
    match parts?.as_slice() {
        [red, green, blue] => Some(format!("((color){})", u32::from(*red) | u32::from(*green) << 8 | u32::from(*blue) << 16)),
        _ => None,
    }
}

/// `D'2024.01.02 03:04:05'` or with the day first, seconds since 1970. A literal without a date means the day of compiling: refused.
pub(super) fn date(quoted: &str) -> Option<String> {
    let inner = quoted[2..quoted.len() - 1].trim();
    let (day, time) = inner.split_once(' ').unwrap_or((inner, "0"));
    let numbers =
        |text: &str, at: &[char]| text.split(at).map(|part| part.trim().parse::<i64>().ok()).collect::<Option<Vec<_>>>();
    let (year, month, day) = match numbers(day, &['.', '/', '-'])?.as_slice() {
        [year, month, day] if *year >= 1970 => (*year, *month, *day),
        [day, month, year] if *year >= 1970 => (*year, *month, *day),
        _ => return None,
    };
    let time = numbers(time, &[':'])?;
    let of = |at: usize| time.get(at).copied().unwrap_or(0);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || time.len() > 3 || of(0) > 23 || of(1) > 59 || of(2) > 59 {
        return None;
    }
    Some(format!("((datetime){})", days(year, month, day) * 86_400 + of(0) * 3600 + of(1) * 60 + of(2)))
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their odd day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// A number: no octal ones in MQL, and what only fits into 64 bits without a sign says so.
pub(super) fn number(text: &str) -> String {
    if text.len() > 1 && text.bytes().all(|digit| digit.is_ascii_digit()) {
        let digits = text.trim_start_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        return if digits.parse::<i64>().is_err() { format!("{digits}UL") } else { digits.to_owned() };
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_their_letters_and_escapes() {
        assert_eq!(text(r#""a\"b\\\n""#).unwrap(), r#""a\"b\\\012"_s"#);
        assert_eq!(
            text("\"é\\x41f\\x20AC\"").unwrap(),
            "\"\\303\\251\\020\\341\\266\\254\"_s".replace("\\020\\341\\266\\254", &{
                // \x41f is one letter of four hexadecimal digits at most.
                let letters: String = "\u{41F}€".bytes().map(|byte| format!("\\{byte:03o}")).collect();
                letters
            })
        );
        assert_eq!(text(r#""\q""#), None);
    }

    #[test]
    fn characters_are_numbers() {
        assert_eq!(character("'x'").unwrap(), "((ushort)120)");
        assert_eq!(character(r"'\n'").unwrap(), "((ushort)10)");
        assert_eq!(character(r"'\''").unwrap(), "((ushort)39)");
        assert_eq!(character("'€'").unwrap(), "((ushort)8364)");
        assert_eq!(character("'ab'"), None);
    }

    #[test]
    fn colours_have_red_lowest() {
        assert_eq!(color("C'1,2,0x03'").unwrap(), format!("((color){})", 0x03_02_01));
        assert_eq!(color("C'1,2'"), None);
        assert_eq!(color("C'1,2,256'"), None);
    }

    #[test]
    fn dates_are_seconds() {
        assert_eq!(date("D'1970.01.01'").unwrap(), "((datetime)0)");
        assert_eq!(date("D'2024.02.29 23:59:58'").unwrap(), "((datetime)1709251198)");
        assert_eq!(date("D'29.02.2024 23:59'").unwrap(), "((datetime)1709251140)");
        assert_eq!(date("D'12:00'"), None);
        assert_eq!(date("D'2024.13.01'"), None);
    }

    #[test]
    fn a_leading_zero_is_not_octal() {
        assert_eq!(
            ["0", "010", "00", "18446744073709551615", "0x10", "1.50"].map(number),
            ["0", "10", "0", "18446744073709551615UL", "0x10", "1.50"]
        );
    }
}
