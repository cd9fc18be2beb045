//! `mqlc`: reads the plain MQL subset in which the Expert Advisors are written, holds it against MetaEditor's rules, translates it to
//! C++20 and builds it with the runtime of `tools/mqlrt`, so that tests run on Linux what a trader installs. Development only.

pub mod ast;
pub mod build;
mod builtins;
pub mod check;
pub mod coverage;
pub mod diagnostic;
mod gcc;
pub mod lex;
pub mod parse;
pub mod preprocess;
pub mod rules;
pub mod translate;
pub mod types;
