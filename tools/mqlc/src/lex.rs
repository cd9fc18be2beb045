//! Words of an MQL source. Comments are left out; places are those of the source.

use crate::diagnostic::{Diagnostic, Place};
use std::{fs, io, path::Path};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword.
    Word,
    /// `12`, `0x1F`, `1.5e3`.
    Number,
    /// `"text"`, with its quotes and escapes as they stand.
    Text,
    /// `'x'`.
    Char,
    /// `D'2024.01.02 03:04'`.
    Date,
    /// `C'1,2,3'`.
    Color,
    /// An operator or a bracket, the longest that fits.
    Punct,
    /// What follows `#include`, with its quotes or angle brackets: a path, in which a back-slash escapes nothing.
    Path,
    /// Made by the preprocessor from `#import`: the text is the library's name, or empty where the list of imports ends.
    Import,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Exactly as it stands in the source.
    pub text: String,
    /// Where it begins. A token out of a macro has the place at which the macro was used.
    pub place: Place,
    /// First on its line (a line that ends with a back-slash goes on in the next).
    pub first: bool,
    /// Blank or comment before it.
    pub spaced: bool,
}

impl Token {
    /// Is it this operator or bracket?
    #[must_use]
    pub fn is(&self, punct: &str) -> bool {
        self.kind == Kind::Punct && self.text == punct
    }

    /// Is it this word?
    #[must_use]
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }
}

/// Operators, longest first.
const PUNCTS: &[&str] = &[
    "<<=", ">>=", "...", "::", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=", "/=", "%=", "&=",
    "|=", "^=", "->", "##",
];
const SINGLES: &str = "+-*/%=<>!&|^~?:;,.(){}[]#@";

/// The text of a source file: UTF-16 with a byte order mark, as MetaEditor once saved them, or UTF-8 with or without one.
///
/// # Errors
/// The file cannot be read, or is neither.
pub fn read(path: &Path) -> io::Result<String> {
    let bytes = fs::read(path)?;
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let wide = |little: bool| {
        let unit =
            |pair: &[u8]| if little { u16::from_le_bytes([pair[0], pair[1]]) } else { u16::from_be_bytes([pair[0], pair[1]]) };
        let units: Vec<u16> = bytes[2..].chunks_exact(2).map(unit).collect();
        String::from_utf16(&units).map_err(|_| wrong("not UTF-16"))
    };
    match bytes.as_slice() {
        [0xFF, 0xFE, ..] => wide(true),
        [0xFE, 0xFF, ..] => wide(false),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()).map_err(|_| wrong("not UTF-8")),
        _ => String::from_utf8(bytes).map_err(|_| wrong("neither UTF-8 nor UTF-16 with a byte order mark")),
    }
}

/// All tokens of a text.
///
/// # Errors
/// The first thing that is no token: 110 unknown symbol, 112 and 114 a quote that is not closed, 104 a comment that is not.
pub fn tokens(text: &str, file: u32) -> Result<Vec<Token>, Diagnostic> {
    let mut lexer =
        Lexer { chars: text.chars().collect(), at: 0, place: Place { file, line: 1, col: 1 }, first: true, spaced: false };
    let mut found: Vec<Token> = Vec::new();
    while lexer.skip()? {
        let in_include = matches!(found.as_slice(), [.., hash, word] if hash.first && hash.is("#") && word.is_word("include"));
        found.push(lexer.token(in_include)?);
    }
    Ok(found)
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    place: Place,
    first: bool,
    spaced: bool,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn step(&mut self) {
        if self.peek(0) == '\n' {
            self.place.line += 1;
            self.place.col = 1;
        } else {
            self.place.col += 1;
        }
        self.at += 1;
    }

    /// Goes to the next token; `false` at the end.
    fn skip(&mut self) -> Result<bool, Diagnostic> {
        self.spaced = false;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('\n', _) => {
                    self.first = true;
                    self.step();
                }
                // A line that goes on.
                ('\\', '\n') => {
                    self.step();
                    self.step();
                }
                ('\\', '\r') if self.peek(2) == '\n' => {
                    (0..3).for_each(|_| self.step());
                }
                ('/', '/') => {
                    while self.at < self.chars.len() && self.peek(0) != '\n' {
                        self.step();
                    }
                }
                ('/', '*') => self.block_comment()?,
                (blank, _) if blank.is_whitespace() => self.step(),
                _ => return Ok(true),
            }
            self.spaced = true;
        }
        Ok(false)
    }

    fn block_comment(&mut self) -> Result<(), Diagnostic> {
        let begin = self.place;
        self.step();
        self.step();
        while (self.peek(0), self.peek(1)) != ('*', '/') {
            if self.at >= self.chars.len() {
                return Err(Diagnostic::error(begin, 104, "this comment has no end"));
            }
            self.step();
        }
        self.step();
        self.step();
        Ok(())
    }

    fn token(&mut self, in_include: bool) -> Result<Token, Diagnostic> {
        let (place, begin) = (self.place, self.at);
        let (first, spaced) = (std::mem::replace(&mut self.first, false), self.spaced);
        let kind = match (self.peek(0), self.peek(1)) {
            ('<', _) if in_include => self.quoted('>', false, 115)?,
            ('"', _) if in_include => self.quoted('"', false, 112)?,
            ('"', _) => self.quoted('"', true, 112)?,
            ('\'', _) => self.quoted('\'', true, 114)?,
            ('D' | 'C', '\'') => {
                self.step();
                self.quoted('\'', true, 114)?
            }
            (letter, _) if is_letter(letter) => {
                while is_letter(self.peek(0)) || self.peek(0).is_ascii_digit() {
                    self.step();
                }
                Kind::Word
            }
            (digit, next) if digit.is_ascii_digit() || (digit == '.' && next.is_ascii_digit()) => {
                self.number();
                Kind::Number
            }
            _ => self.punct()?,
        };
        let text: String = self.chars[begin..self.at].iter().collect();
        let kind = match (kind, text.as_bytes()) {
            (Kind::Text, _) if in_include => Kind::Path,
            (_, [b'D', b'\'', ..]) => Kind::Date,
            (_, [b'C', b'\'', ..]) => Kind::Color,
            (_, [b'\'', ..]) => Kind::Char,
            (kind, _) => kind,
        };
        Ok(Token { kind, text, place, first, spaced })
    }

    fn quoted(&mut self, end: char, escapes: bool, number: u16) -> Result<Kind, Diagnostic> {
        let begin = self.place;
        self.step();
        while self.peek(0) != end {
            if self.at >= self.chars.len() || self.peek(0) == '\n' {
                return Err(Diagnostic::error(begin, number, format!("no closing {end} in this line")));
            }
            if escapes && self.peek(0) == '\\' {
                self.step();
            }
            self.step();
        }
        self.step();
        Ok(Kind::Text)
    }

    fn number(&mut self) {
        if self.peek(0) == '0' && matches!(self.peek(1), 'x' | 'X') {
            self.step();
            self.step();
            while self.peek(0).is_ascii_hexdigit() {
                self.step();
            }
            return;
        }
        while self.peek(0).is_ascii_alphanumeric() || matches!(self.peek(0), '.' | '_') {
            let exponent = matches!(self.peek(0), 'e' | 'E') && matches!(self.peek(1), '+' | '-');
            self.step();
            if exponent {
                self.step();
            }
        }
    }

    fn punct(&mut self) -> Result<Kind, Diagnostic> {
        let long = PUNCTS.iter().find(|punct| punct.chars().enumerate().all(|(at, wanted)| self.peek(at) == wanted));
        if long.is_none() && !SINGLES.contains(self.peek(0)) {
            return Err(Diagnostic::error(self.place, 110, format!("unknown symbol '{}'", self.peek(0))));
        }
        (0..long.map_or(1, |punct| punct.len())).for_each(|_| self.step());
        Ok(Kind::Punct)
    }
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        tokens(source, 0).unwrap().into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn the_longest_operator_wins() {
        assert_eq!(texts("a<<=b>>c->d::e i-->0"), ["a", "<<=", "b", ">>", "c", "->", "d", "::", "e", "i", "--", ">", "0"]);
    }

    #[test]
    fn numbers_keep_their_points_and_exponents() {
        assert_eq!(texts("1.5e-3+.5 0x1Fu a.b 1."), ["1.5e-3", "+", ".5", "0x1F", "u", "a", ".", "b", "1."]);
    }

    #[test]
    fn dates_colours_characters_and_texts_are_one_token_each() {
        let found = tokens(r#"D'2024.01.02' C'1,2,3' '\'' "a\"b" D C"#, 0).unwrap();
        let kinds: Vec<_> = found.iter().map(|token| token.kind).collect();
        assert_eq!(kinds, [Kind::Date, Kind::Color, Kind::Char, Kind::Text, Kind::Word, Kind::Word]);
    }

    #[test]
    fn comments_go_and_lines_stay() {
        let found = tokens("a /* x\ny */ b // c\n  d \\\n e", 3).unwrap();
        let places: Vec<_> =
            found.iter().map(|token| (token.place.line, token.place.col, token.first, token.place.file)).collect();
        // What follows a comment of two lines is not first: a directive cannot stand there.
        assert_eq!(places, [(1, 1, true, 3), (2, 6, false, 3), (3, 3, true, 3), (4, 2, false, 3)]);
    }

    #[test]
    fn a_back_slash_in_an_include_is_part_of_the_path() {
        let found = tokens("#include <a\\n.mqh>\n#include \"b\\c.mqh\"\n#property x \"a\\\"\"", 0).unwrap();
        assert_eq!((found[2].kind, found[2].text.as_str()), (Kind::Path, "<a\\n.mqh>"));
        assert_eq!((found[5].kind, found[5].text.as_str()), (Kind::Path, "\"b\\c.mqh\""));
        assert_eq!(found.last().unwrap().kind, Kind::Text);
    }

    #[test]
    fn what_is_no_token_is_told_with_its_place() {
        for (source, number, line, col) in
            [("a\n `", 110, 2, 2), ("\"abc\n\"", 112, 1, 1), (" 'a", 114, 1, 2), ("/* a", 104, 1, 1)]
        {
            let wrong = tokens(source, 0).unwrap_err();
            assert_eq!((wrong.number, wrong.place.line, wrong.place.col), (number, line, col), "{source}");
        }
    }

    #[test]
    fn wide_files_and_marks_are_read() {
        let folder = std::env::temp_dir().join(format!("mqlc-lex-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.mqh");
        let mut wide = vec![0xFF, 0xFE];
        wide.extend("int ü;".encode_utf16().flat_map(u16::to_le_bytes));
        for bytes in [wide, b"\xEF\xBB\xBFint \xC3\xBC;".to_vec(), "int ü;".as_bytes().to_vec()] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path).unwrap(), "int ü;");
        }
        fs::write(&path, b"int \xFC;").unwrap();
        assert!(read(&path).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
