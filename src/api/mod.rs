//! HTTP/1.1 with JSON on a Unix stream socket: wire types, listener, peer credentials, routes, one table from
//! error to status, and the client.
//!
//! This room knows no modem, no store and no code: a request goes to a [`Service`], and its answer is written
//! as JSON. Secrets pass through this room in one direction only, inwards.
//!
//! ```no_run
//! use std::{path::Path, sync::Arc};
//! use smsotpd::api::{self, Access, Listener, Service};
//!
//! async fn run(gateway: Arc<dyn Service>) -> Result<(), Box<dyn std::error::Error>> {
//!     let listener = Listener::bind(Path::new("/run/smsotpd/smsotpd.sock"), 0o660, None)?;
//!     api::serve(listener, gateway, Access::default(), async { /* until SIGTERM */ }).await?;
//!     Ok(())
//! }
//! ```

mod about;
pub mod access;
mod app;
pub mod client;
mod connection;
mod denials;
mod document;
mod events;
mod fields;
mod hosts;
mod inbox;
mod limits;
mod listen;
mod messages;
mod modems;
mod peer;
pub mod problem;
mod refusal;
mod reply;
mod request;
mod routes;
mod seats;
mod serve;
mod trail_views;
mod verifications;
mod views;
pub mod wire;
mod wire_modem;
mod wire_operator;

pub use crate::gateway::MAX_PARTS;
pub use about::openapi;
pub use access::Access;
pub use app::{Answer, Limits, Service};
pub use listen::{ListenError, Listener};
pub use routes::{ROUTES, Route};
pub use serve::{serve, serve_until, serve_within};
pub use views::described;
