//! The command line: one table of flags ([`table`]), read by [`parse`](parse()), drawn by [`help`].

pub(crate) mod help;
mod parse;
pub(crate) mod table;

pub(crate) use parse::{Arguments, Mistake, parse};
