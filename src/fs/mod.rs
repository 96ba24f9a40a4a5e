//! Files, opened by directory handle, never through a link, and judged on the open handle.
//!
//! Every file of ours is regular, belongs to this user, has one name and is closed to everyone
//! else. What others could only read is closed and used; what others could have written is
//! refused.

mod archive;
mod dir;
mod error;
mod file;
mod lock;
mod survey;
mod unopened;

pub use archive::Archive;
pub use dir::Dir;
pub use error::{FsError, FsProblem};
pub use file::{Durability, read_bounded, read_user_file};
pub use lock::{DirLock, is_locked};
pub use survey::{Survey, survey};
pub use unopened::check_unopened;
