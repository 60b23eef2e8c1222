//! The named moves: each reads and writes the store as one transaction, and decides nothing that a pure step
//! could decide.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::gateway::reports::{self, Settled};
use crate::gateway::{GatewayError, opt_out};
use crate::id::{MessageId, VerificationId};
use crate::otp::{self, Rate, Verification, VerificationStatus, Window};
use crate::outbox::{self, Accounting, Message, MessageStatus, Retry};
use crate::phone::PhoneNumber;
use crate::store::{Idempotency, InboxRecords as _, Records as _, Tx};

/// How long an `Idempotency-Key` is honoured.
pub(super) const IDEMPOTENCY: Duration = Duration::from_secs(24 * 3600);

/// Under which idempotency key something is made.
#[derive(Debug, Clone)]
pub(super) struct Once {
    pub(super) client: String,
    pub(super) key: String,
    pub(super) digest: [u8; 32],
    pub(super) expires_at: Timestamp,
}

/// The windows that a new code counts in.
pub(super) type Windows = Vec<(String, Rate, &'static str)>;

/// A verification and where its newest message stands.
pub(super) type Tracked = (Verification, MessageStatus);

/// The subject that `once` made before, if its body was the same.
pub(super) fn made_before(
    tx: &Tx<'_>,
    once: Option<&Once>,
    now: Timestamp,
) -> Result<Option<String>, GatewayError> {
    let Some(once) = once else { return Ok(None) };
    match tx.idempotency(&once.client, &once.key)? {
        Some(known) if known.expires_at > now => {
            if known.digest == once.digest {
                Ok(Some(known.subject))
            } else {
                Err(GatewayError::IdempotencyMismatch)
            }
        }
        _ => Ok(None),
    }
}

/// A new verification with its message, counted in its windows. The flag tells a replay.
pub(super) fn issue(
    tx: &mut Tx<'_>,
    v: Verification,
    m: &Message,
    windows: &Windows,
    once: Option<&Once>,
    now: Timestamp,
) -> Result<(Tracked, bool), GatewayError> {
    if let Some(subject) = made_before(tx, once, now)? {
        let id = subject.parse().map_err(|_| GatewayError::Internal("idempotency record".to_owned()))?;
        return Ok((tracked(tx, id)?, true));
    }
    opt_out::permits(tx, &v.to)?;
    count(tx, windows, now)?;
    remember(tx, once, v.id.to_string())?;
    tx.put_message(m)?;
    tx.put_verification(&v)?;
    Ok(((v, m.status), false))
}

/// A new plain message. The flag tells a replay.
pub(super) fn send(
    tx: &mut Tx<'_>,
    m: Message,
    once: Option<&Once>,
    now: Timestamp,
) -> Result<(Message, bool), GatewayError> {
    if let Some(subject) = made_before(tx, once, now)? {
        let id = subject.parse().map_err(|_| GatewayError::Internal("idempotency record".to_owned()))?;
        return Ok((tx.message(id)?.ok_or(GatewayError::NotFound("message"))?, true));
    }
    opt_out::permits(tx, &m.to)?;
    remember(tx, once, m.id.to_string())?;
    tx.put_message(&m)?;
    Ok((m, false))
}

fn remember(tx: &mut Tx<'_>, once: Option<&Once>, subject: String) -> Result<(), GatewayError> {
    if let Some(once) = once {
        let record = Idempotency { digest: once.digest, subject, expires_at: once.expires_at };
        tx.put_idempotency(&once.client, &once.key, &record)?;
    }
    Ok(())
}

/// Counts one more code in its windows.
fn count(tx: &mut Tx<'_>, windows: &Windows, now: Timestamp) -> Result<(), GatewayError> {
    for (name, window, expires_at) in counted(tx, windows, now)? {
        tx.put_window(name, &window, expires_at)?;
    }
    Ok(())
}

/// The windows with one more code, which none of them has until it is written. When any is full the refusal is that
/// of the one that stays full the longest: who comes back then is let in.
fn counted<'w>(
    tx: &Tx<'_>,
    windows: &'w Windows,
    now: Timestamp,
) -> Result<Vec<(&'w str, Window, Timestamp)>, GatewayError> {
    let mut counted = Vec::with_capacity(windows.len());
    let mut full: Option<(Timestamp, String)> = None;
    for (name, rate, limit) in windows {
        let mut window = tx.window(name)?;
        match window.count(*rate, now) {
            Ok(()) => counted.push((name.as_str(), window, now.plus(rate.per))),
            Err(e) if full.as_ref().is_none_or(|(until, _)| e.retry_at > *until) => {
                full = Some((e.retry_at, format!("{limit} = \"{rate}\"")));
            }
            Err(_) => {}
        }
    }
    match full {
        Some((until, limit)) => Err(GatewayError::RateLimited { limit, retry_after: until.since(now) }),
        None => Ok(counted),
    }
}

/// A verification and where its newest message stands.
pub(super) fn tracked(tx: &Tx<'_>, id: VerificationId) -> Result<Tracked, GatewayError> {
    let v = tx.verification(id)?.ok_or(GatewayError::NotFound("verification"))?;
    // A message may be forgotten before its verification; it is over then.
    let status = tx.message(v.message)?.map_or(MessageStatus::Expired, |m| m.status);
    Ok((v, status))
}

/// Counts an attempt; the flag tells whether one was left.
pub(super) fn attempt(
    tx: &mut Tx<'_>,
    id: VerificationId,
    now: Timestamp,
) -> Result<(Tracked, bool), GatewayError> {
    let (v, message) = tracked(tx, id)?;
    match otp::step(v.clone(), otp::Event::Attempt, now) {
        Ok(v) => {
            tx.put_verification(&v)?;
            Ok(((v, message), true))
        }
        Err(_) => Ok(((v, message), false)),
    }
}

/// Writes down what the comparison of a counted attempt gave; a queued message of an approved verification is
/// withdrawn. The flag tells whether this very attempt approved.
pub(super) fn compared(
    tx: &mut Tx<'_>,
    id: VerificationId,
    right: bool,
    now: Timestamp,
) -> Result<(Tracked, bool, Option<Message>), GatewayError> {
    let (v, message) = tracked(tx, id)?;
    match otp::step(v.clone(), otp::Event::Compared { right }, now) {
        Ok(v) => {
            tx.put_verification(&v)?;
            let (message, withdrawn) = if right { withdraw(tx, v.message, now)? } else { (message, None) };
            Ok(((v, message), right, withdrawn))
        }
        Err(_) => Ok(((v, message), false, None)),
    }
}

/// Cancels a verification and withdraws its queued message, which is given back. The flag tells that this very call did.
pub(super) fn cancel(
    tx: &mut Tx<'_>,
    id: VerificationId,
    now: Timestamp,
) -> Result<(Tracked, bool, Option<Message>), GatewayError> {
    let (v, message) = tracked(tx, id)?;
    match otp::step(v.clone(), otp::Event::Cancel, now) {
        Ok(v) => {
            tx.put_verification(&v)?;
            let (message, withdrawn) = withdraw(tx, v.message, now)?;
            Ok(((v, message), true, withdrawn))
        }
        // Cancelling twice is no conflict: it is what was asked for.
        Err(_) if v.status == VerificationStatus::Cancelled => Ok(((v, message), false, None)),
        Err(_) => Err(GatewayError::Conflict("the verification has ended".to_owned())),
    }
}

/// The message's status, and the message when this withdrew it.
fn withdraw(
    tx: &mut Tx<'_>,
    id: MessageId,
    now: Timestamp,
) -> Result<(MessageStatus, Option<Message>), GatewayError> {
    let Some(m) = tx.message(id)? else { return Ok((MessageStatus::Expired, None)) };
    let status = m.status;
    match outbox::step(m, outbox::Event::Cancel, now, &Retry::default()) {
        Ok(m) if status != MessageStatus::Cancelled => {
            tx.put_message(&m)?;
            Ok((m.status, Some(m)))
        }
        _ => Ok((status, None)),
    }
}

/// Withdraws a message that waits, and says why; nothing when it does not wait.
pub(super) fn withdraw_for(
    tx: &mut Tx<'_>,
    m: Message,
    why: &str,
    now: Timestamp,
) -> Result<Option<Message>, GatewayError> {
    let Ok(mut m) = outbox::step(m, outbox::Event::Cancel, now, &Retry::default()) else { return Ok(None) };
    m.error = Some(why.to_owned());
    tx.put_message(&m)?;
    Ok(Some(m))
}

/// Sends the same code again in `m`; an older message of it that still waits is withdrawn and given back.
pub(super) fn resend(
    tx: &mut Tx<'_>,
    id: VerificationId,
    m: &Message,
    windows: &Windows,
    now: Timestamp,
) -> Result<(Tracked, Option<Message>), GatewayError> {
    let (v, _) = tracked(tx, id)?;
    opt_out::permits(tx, &v.to)?;
    let older = v.message;
    let v = match otp::step(v, otp::Event::Resend { message: m.id }, now) {
        Ok(v) => v,
        Err(otp::Refusal::Cooldown { until }) => return Err(cooling(tx, windows, until, now)),
        Err(refusal) => return Err(GatewayError::Conflict(refusal.to_string())),
    };
    count(tx, windows, now)?;
    let (_, withdrawn) = withdraw(tx, older, now)?;
    tx.put_message(m)?;
    tx.put_verification(&v)?;
    Ok(((v, m.status), withdrawn))
}

/// The refusal of a resend inside its cool-down: a full window may outlast that.
fn cooling(tx: &Tx<'_>, windows: &Windows, until: Timestamp, now: Timestamp) -> GatewayError {
    let cooldown = until.since(now);
    match counted(tx, windows, now) {
        Err(GatewayError::RateLimited { limit, retry_after }) if retry_after > cooldown => {
            GatewayError::RateLimited { limit, retry_after }
        }
        _ => GatewayError::Cooldown { retry_after: cooldown },
    }
}

/// Withdraws a message that no modem has yet. The flag tells that this very call did.
pub(super) fn cancel_message(
    tx: &mut Tx<'_>,
    id: MessageId,
    now: Timestamp,
) -> Result<(Message, bool), GatewayError> {
    let m = tx.message(id)?.ok_or(GatewayError::NotFound("message"))?;
    if m.status == MessageStatus::Cancelled {
        return Ok((m, false));
    }
    let m = outbox::step(m, outbox::Event::Cancel, now, &Retry::default()).map_err(
        |outbox::Refusal(status)| {
            GatewayError::Conflict(format!("the message is {} already", status.as_str()))
        },
    )?;
    tx.put_message(&m)?;
    Ok((m, true))
}

/// One event of one message.
pub(super) fn happened(
    tx: &mut Tx<'_>,
    id: MessageId,
    event: outbox::Event,
    retry: &Retry,
    now: Timestamp,
) -> Result<Option<Message>, GatewayError> {
    match tx.message(id)? {
        Some(m) => happened_to(tx, m, event, retry, now),
        None => Ok(None),
    }
}

/// One event of a message as it is in the store.
pub(super) fn happened_to(
    tx: &mut Tx<'_>,
    m: Message,
    event: outbox::Event,
    retry: &Retry,
    now: Timestamp,
) -> Result<Option<Message>, GatewayError> {
    let was = m.status;
    let Ok(m) = outbox::step(m, event, now, retry) else { return Ok(None) };
    tx.put_message(&m)?;
    if was != MessageStatus::Sending || m.status != MessageStatus::Queued {
        return Ok(Some(m));
    }
    // Much may have changed while the message was on the air.
    match unwanted(tx, &m)? {
        Some(why) => withdraw_for(tx, m, why, now),
        None => Ok(Some(m)),
    }
}

/// Why a message is not to go out once more, if it is not: its recipient opted out, or its code is of no use.
fn unwanted(tx: &Tx<'_>, m: &Message) -> Result<Option<&'static str>, GatewayError> {
    if tx.opt_out(&m.to)?.is_some() {
        return Ok(Some(opt_out::OPTED_OUT));
    }
    let outbox::Kind::Otp(id) = m.kind else { return Ok(None) };
    // One that ran out ends its message by the message's own deadline.
    let ended = |v: &Verification| {
        use VerificationStatus::{Approved, Cancelled, Exhausted};
        matches!(v.status, Approved | Cancelled | Exhausted) || v.message != m.id
    };
    Ok(tx.verification(id)?.as_ref().is_some_and(ended).then_some(ENDED))
}

const ENDED: &str = "its code was used, withdrawn or sent in a newer message";

/// A message for a modem.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) id: MessageId,
    pub(super) modem: String,
    /// The modem that has it on the air and is silent.
    pub(super) twin_of: Option<String>,
    /// The modems that left it alone.
    pub(super) avoid: outbox::Avoid,
}

/// A modem takes a message that waits, or sends one as well that another modem has.
fn claim(
    tx: &mut Tx<'_>,
    claim: Claim,
    retry: &Retry,
    now: Timestamp,
) -> Result<Option<Message>, GatewayError> {
    let Claim { id, modem, twin_of, .. } = claim;
    let Some(m) = tx.message(id)? else { return Ok(None) };
    let event = match twin_of {
        None => outbox::Event::Claimed { modem },
        Some(_) if unwanted(tx, &m)?.is_some() => return Ok(None),
        Some(of) => outbox::Event::TwinClaimed { modem, of },
    };
    happened_to(tx, m, event, retry, now)
}

/// Time passed for one verification. With it, the modem that had carried its code.
pub(super) fn expire(
    tx: &mut Tx<'_>,
    id: VerificationId,
    now: Timestamp,
) -> Result<Option<(Tracked, Option<String>)>, GatewayError> {
    let Some(v) = tx.verification(id)? else { return Ok(None) };
    match otp::step(v, otp::Event::Tick, now) {
        Ok(v) if v.status == VerificationStatus::Expired => {
            tx.put_verification(&v)?;
            Ok(Some((tracked(tx, id)?, carrier(tx, v.message)?)))
        }
        _ => Ok(None),
    }
}

/// The modem through which a message went out.
pub(super) fn carrier(tx: &Tx<'_>, id: MessageId) -> Result<Option<String>, GatewayError> {
    let carried = |m: &Message| matches!(m.status, MessageStatus::Sent | MessageStatus::Delivered);
    Ok(tx.message(id)?.filter(carried).and_then(|m| m.modem))
}

/// How a send ended, and what it costs the SIM.
#[derive(Debug, Clone)]
pub(super) struct Settlement {
    pub(super) id: MessageId,
    pub(super) event: outbox::Event,
    pub(super) accounting: Accounting,
    /// The SIM that it was sent with, when it is known.
    pub(super) sim: Option<String>,
}

/// The heart of the queue: the outcome of one message and the claim of the next, in one commit. Answers what became
/// of the one, and the other.
pub(super) fn settle_and_claim(
    tx: &mut Tx<'_>,
    settlement: Option<Settlement>,
    wanted: Option<Claim>,
    retry: &Retry,
    now: Timestamp,
) -> Result<(Option<Settled>, Option<Message>), GatewayError> {
    let settled = match settlement {
        Some(s) => {
            if let Some((sim, ledger)) = &s.accounting.ledger {
                tx.put_ledger(sim, ledger)?;
                if let Some((month, recipient)) = s.accounting.new_recipient {
                    tx.put_recipient(sim, month, recipient);
                }
            }
            Some(reports::settle(tx, s.id, &s.event, s.sim.as_deref(), retry, now)?)
        }
        None => None,
    };
    let claimed = match wanted {
        Some(wanted) => claim(tx, wanted, retry, now)?,
        None => None,
    };
    Ok((settled, claimed))
}

/// After a start: what was on the air is in doubt; a verification whose last attempt was counted but never
/// compared is exhausted.
pub(super) fn recover_message(
    tx: &mut Tx<'_>,
    id: MessageId,
    now: Timestamp,
) -> Result<Option<Message>, GatewayError> {
    let settled = reports::settle(tx, id, &outbox::Event::FoundSending, None, &Retry::default(), now)?;
    Ok(settled.states.into_iter().next_back())
}

/// The newest verification of a number and service.
pub(super) fn newest(tx: &Tx<'_>, to: &PhoneNumber, service: &str) -> Result<VerificationId, GatewayError> {
    tx.newest_verification(to, service)?
        .ok_or(GatewayError::NotFound("verification of this number and service"))
}
