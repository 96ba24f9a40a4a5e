//! Files with secrets in them, and files that refer to secrets. Values are read straight into secret
//! memory. No message repeats anything of a file but the number of a line.

mod aws;
mod env;
mod export;
mod json;
mod problem;
#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;
mod reference;
mod template;

pub(crate) use crate::binding::SET_BY_THE_GUARD;
pub use crate::binding::{BadVariable, VariableName, variable_value};
pub use aws::read_aws;
pub use env::{EnvLine, env_lines, read_env};
pub use export::{NotExported, base64, write_env, write_json};
pub use json::{BadJson, read_json};
pub use problem::{FileProblem, ImportFile, ImportItem};
pub use reference::{BadReference, SCHEME, reference};
pub use template::{BadTemplate, Template};
