//! Small helpers that every room uses.
//!
//! - `blocking`: work for a thread of its own, such as hashing a file
//! - `error_chain`: the causes of an error
//! - `http`: what all HTTP services have in common
//! - `text`: texts made short enough to show

pub(crate) mod blocking;
pub(crate) mod error_chain;
pub(crate) mod http;
pub mod text;
