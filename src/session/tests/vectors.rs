//! Formats that must be read for ever: bytes that an earlier build wrote, in `tests/vectors`.
