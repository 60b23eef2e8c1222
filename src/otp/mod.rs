//! A verification, pure: the code and its keyed hash, the template, the policy, the limits and the state step.
//!
//! This room does not know that modems, a store or a clock exist: time is a parameter, randomness comes from
//! the operating system only where a code is made.

mod code;
mod limits;
mod policy;
mod template;
mod verification;

pub use code::{Code, CodeHash};
pub use limits::{Bucket, LimitExceeded, NotARate, Rate, Window};
pub use policy::{Policy, PolicyError};
pub use template::{Template, TemplateError};
pub use verification::{Event, Refusal, Verification, VerificationStatus, step};
