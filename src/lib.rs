//! One-time passwords by SMS over your own GSM modem.
//!
//! An application asks for a code for a number; a random code, valid for a short time, is made; an SMS
//! carries it; the person types it; it is accepted once, in time, and never again. `ARCHITECTURE.md` has the
//! map of the rooms below, of the packages beside this one (`gsm_sms`, `gsm_modem`, `gsm_sim`), and who may know whom.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod gateway;
pub mod hex;
pub mod id;
pub mod inbox;
pub mod otp;
pub mod outbox;
pub mod phone;
pub mod random;
pub mod secret;
pub mod store;
