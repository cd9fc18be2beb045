//! The C++ text, in which every line is a line of the MQL source.

use crate::diagnostic::{Files, Place};

/// So many empty lines are written rather than a `#line`.
const GAP: u32 = 8;

pub(super) struct Out<'a> {
    files: &'a Files,
    text: String,
    file: Option<u32>,
    line: u32,
    col: usize,
}

impl<'a> Out<'a> {
    pub(super) fn new(files: &'a Files) -> Self {
        Self { files, text: String::new(), file: None, line: 0, col: 0 }
    }

    /// What is written next stands at this place of the source.
    pub(super) fn go(&mut self, place: Place) {
        let ahead = place.line.wrapping_sub(self.line);
        if self.file != Some(place.file) || ahead > GAP {
            if self.col > 0 {
                self.text.push('\n');
            }
            self.text.push_str(&format!("#line {} \"{}\"\n", place.line, self.files.path(place.file).display()));
            self.col = 0;
        } else {
            (0..ahead).for_each(|_| self.text.push('\n'));
            if ahead > 0 {
                self.col = 0;
            }
        }
        (self.file, self.line) = (Some(place.file), place.line);
        // Columns of the compiler's messages are about right where nothing was translated.
        while self.col + 1 < place.col as usize {
            self.text.push(' ');
            self.col += 1;
        }
    }

    /// Writes a piece, apart from what stands before it.
    pub(super) fn put(&mut self, piece: &str) {
        if self.col > 0 && !self.text.ends_with(' ') && !piece.is_empty() {
            self.text.push(' ');
            self.col += 1;
        }
        self.text.push_str(piece);
        self.col += piece.len();
    }

    /// Writes lines of no source.
    pub(super) fn lines(&mut self, lines: &str) {
        if self.col > 0 {
            self.text.push('\n');
        }
        self.text.push_str("#line 1 \"(generated)\"\n");
        self.text.push_str(lines);
        (self.file, self.line, self.col) = (None, 0, 0);
    }

    pub(super) fn finish(self) -> String {
        self.text + "\n"
    }
}
