//! A verification, pure: the code and its keyed hash, the template, a service with its policy, the destinations, the
//! limits, the guard against pumping and the state step.
//!
//! This room does not know that modems, a store or a clock exist: time is a parameter, and randomness comes
//! from the generator that is passed in where a code is made.

mod alphabet;
mod binding;
mod code;
mod destinations;
mod limits;
mod pattern;
mod policy;
mod pumping;
mod service;
mod template;
mod testing;
mod token;
mod unfit;
mod verification;
mod window;

pub use alphabet::{ALPHABETS, alphabet};
pub use binding::BindingHash;
pub use code::{Code, CodeHash};
pub use destinations::{Countries, Destinations, Known, Validity};
pub use limits::{Limits, Place};
pub use pattern::{Pattern, TemplateError, is_value_name};
pub use policy::{OnReissue, Policy, PolicyError};
pub use pumping::{Action, Group, NEIGHBOURS, Neighbourhood, Pumping, PumpingRule, Tally};
pub use service::{RenderError, Service};
pub use template::Template;
pub use testing::{TestNumberError, TestNumbers};
pub use token::{draw_token, tokens_in};
pub use unfit::Unfit;
pub use verification::{Event, Refusal, Verification, VerificationStatus, step};
pub use window::{Bucket, NotARate, Rate, Standing, Window};
