//! One-time passwords by SMS over your own GSM modem.
//!
//! An application asks for a code for a number; a random code, valid for a short time, is made and sent by SMS; the
//! person types it; it is accepted once, in time, and never again. `ARCHITECTURE.md` describes the rooms below, the
//! packages beside this one (`gsm_sms`, `gsm_modem`, `gsm_sim`), and which of them may import which.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod fleet;
pub mod gateway;
pub mod hex;
pub mod id;
pub mod inbox;
pub mod otp;
pub mod outbox;
pub mod phone;
pub mod prometheus;
pub mod random;
pub mod secret;
pub mod store;
pub mod trail;
