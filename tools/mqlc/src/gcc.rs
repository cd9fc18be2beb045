//! What g++ says, in the form and with the numbers of MetaEditor.

/// Warnings of g++ and MetaEditor's number for the same thing.
const NUMBERS: &[(&str, u16)] = &[
    ("unused-variable", 31),
    ("unused-but-set-variable", 31),
    ("maybe-uninitialized", 60),
    ("uninitialized", 38),
    ("conversion", 43),
    ("float-conversion", 43),
    ("narrowing", 43),
    ("sign-conversion", 45),
    ("sign-compare", 45),
    ("shadow", 61),
    ("empty-body", 69),
    ("return-type", 117),
    ("unused-value", 178),
];

/// The errors in MetaEditor's form, their count, and below all that g++ said.
pub(crate) fn messages(said: &str) -> String {
    let found: Vec<String> = said.lines().filter_map(message).collect();
    if found.is_empty() {
        // The linker, or g++ itself.
        return said.to_owned();
    }
    format!("{}\nResult: {} errors, 0 warnings\n\n{said}", found.join("\n"), found.len())
}

/// `path:12:5: error: text [-Werror=shadow]` becomes `path(12,5) : error 61: text`.
fn message(line: &str) -> Option<String> {
    let (place, text) = line.split_once(": error: ").or_else(|| line.split_once(": fatal error: "))?;
    let mut parts = place.rsplitn(3, ':');
    let (col, row, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (text, flag) = text.rsplit_once(" [-W").map_or((text, ""), |(text, flag)| (text, flag.trim_end_matches(']')));
    let flag = flag.trim_start_matches("error=").trim_end_matches('=');
    let number = NUMBERS.iter().find(|(name, _)| *name == flag).map_or(0, |(_, number)| *number);
    let text = text.replace("->", ".").replace("mql_program::", "").replace("mql::", "");
    Some(format!("{path}({row},{col}) : error {number}: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_form_and_the_number_of_metaeditor() {
        let said = "mql/Include/A.mqh:12:5: error: declaration of 'x' shadows a member [-Werror=shadow]";
        assert_eq!(message(said).unwrap(), "mql/Include/A.mqh(12,5) : error 61: declaration of 'x' shadows a member");
        let said = "A.mqh:1:2: error: 'mql_program::C' has no member 'y'";
        assert_eq!(message(said).unwrap(), "A.mqh(1,2) : error 0: 'C' has no member 'y'");
        assert_eq!(message("A.mqh: In function 'int f()':"), None);
        assert!(messages(said).contains("Result: 1 errors"));
    }
}
