//! Guarding commands: what happens between "may this run?" and "how did it end?".

pub mod run;
pub mod signals;
