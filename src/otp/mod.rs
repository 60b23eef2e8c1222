//! A verification, pure: the code and its keyed hash, the template, a service with its policy, the destinations, the
//! limits and the state step.
//!
//! This room does not know that modems, a store or a clock exist: time is a parameter, and randomness comes
//! from the generator that is passed in where a code is made.

mod code;
mod destinations;
mod limits;
mod policy;
mod service;
mod template;
mod verification;
mod window;

pub use code::{Code, CodeHash};
pub use destinations::{Countries, Destinations, Known, Validity};
pub use limits::Limits;
pub use policy::{Policy, PolicyError};
pub use service::Service;
pub use template::{Template, TemplateError};
pub use verification::{Event, Refusal, Verification, VerificationStatus, step};
pub use window::{Bucket, LimitExceeded, NotARate, Rate, Window};
