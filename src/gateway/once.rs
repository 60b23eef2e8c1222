//! Requests that count once: what an `Idempotency-Key` stands for. A key belongs to its client, the method and the path.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::effects::Move;
use super::error::{GatewayError, Result};
use super::inner::Inner;
use super::request::Caller;
use super::view::{CheckView, VerificationView};
use crate::secret::Key;
use crate::store::{Answered, Idempotency, Records as _};

/// How long an `Idempotency-Key` is honoured.
pub(super) const HONOURED: Duration = Duration::from_secs(24 * 3600);

/// Under which key a client asks for something once, and with which request.
#[derive(Debug, Clone)]
pub(super) struct Once {
    client: String,
    /// The route and the client's key: a route has one blank.
    key: String,
    digest: [u8; 32],
    /// The same as an earlier version wrote it, without a key.
    plain: [u8; 32],
}

impl Once {
    /// What a client asks for once, if it gave a key. `route` is the method and the path, `fields` what makes two
    /// requests the same.
    pub(super) fn of<F: AsRef<str>>(
        secret: &Key,
        caller: &Caller,
        route: &str,
        key: Option<&String>,
        fields: impl FnOnce() -> Vec<F>,
    ) -> Option<Self> {
        let (client, key) = (caller.client.clone().unwrap_or_default(), format!("{route} {}", key?));
        let fields = fields();
        // A code or a text is among them: without the secret key nobody can try which it was.
        let octets: Vec<&[u8]> =
            [&b"request"[..]].into_iter().chain(fields.iter().map(|f| f.as_ref().as_bytes())).collect();
        Some(Self { client, key, digest: secret.hash(&octets), plain: fingerprint(&fields) })
    }

    fn is(&self, digest: [u8; 32]) -> Result<()> {
        if digest == self.digest || digest == self.plain {
            Ok(())
        } else {
            Err(GatewayError::IdempotencyMismatch)
        }
    }
}

/// What a request made.
pub(super) struct Made<T> {
    pub(super) subject: T,
    /// It was there before.
    pub(super) known: bool,
}

impl Inner {
    /// What a request with the same key and body made before. That is looked up before the request is judged: what was
    /// made stays made when the queue is full, the daemon stops, or the configuration is another one.
    pub(super) async fn replay<I: FromStr + 'static, T: Send + 'static>(
        self: &Arc<Self>,
        once: Option<Once>,
        look: impl FnOnce(&mut Move<'_, '_>, I) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        if once.is_none() {
            return Ok(None);
        }
        let ahead = self.rehearse(|mv| mv.made_before::<I>(once.as_ref()));
        let replay = move |mv: &mut Move<'_, '_>| match mv.made_before(once.as_ref())? {
            Some(id) => look(mv, id).map(Some),
            None => Ok(None),
        };
        self.perform_ahead(ahead, replay).await
    }
}

impl Move<'_, '_> {
    /// What was made under this key before.
    pub(super) fn made_before<I: FromStr>(&self, once: Option<&Once>) -> Result<Option<I>> {
        let Some(once) = once else { return Ok(None) };
        let known = self.tx.idempotency(&once.client, &once.key)?;
        let Some(known) = known.filter(|known| known.expires_at > self.now.steady()) else { return Ok(None) };
        once.is(known.digest)?;
        let damaged = |_| GatewayError::Internal("idempotency record".to_owned());
        known.subject.parse().map(Some).map_err(damaged)
    }

    /// Remembers what was made under this key.
    pub(super) fn remember(&mut self, once: Option<&Once>, subject: &impl ToString) -> Result<()> {
        if let Some(once) = once {
            let record = Idempotency {
                digest: once.digest,
                subject: subject.to_string(),
                expires_at: self.now.steady().plus(HONOURED),
            };
            self.tx.put_idempotency(&once.client, &once.key, &record)?;
        }
        Ok(())
    }

    /// What was answered under this key before, word for word.
    pub(super) fn answered_before(&self, once: Option<&Once>) -> Result<Option<CheckView>> {
        let Some(once) = once else { return Ok(None) };
        let known = self.tx.answered(&once.client, &once.key)?;
        let Some(known) = known.filter(|known| known.expires_at > self.now.steady()) else { return Ok(None) };
        once.is(known.digest)?;
        let v = self.tx.verification(known.id)?.ok_or(GatewayError::NotFound("verification"))?;
        let verification = VerificationView {
            status: known.status,
            attempts_left: known.attempts_left,
            resend_at: known.resend_at,
            message: (known.message, known.message_status),
            ..VerificationView::new(&v, known.message_status, self.now)
        };
        Ok(Some(CheckView { approved: known.approved, verification }))
    }

    /// Remembers what is answered under this key.
    pub(super) fn remember_answer(&mut self, once: Option<&Once>, answer: &CheckView) -> Result<()> {
        if let Some(once) = once {
            let v = &answer.verification;
            let record = Answered {
                digest: once.digest,
                id: v.id,
                approved: answer.approved,
                status: v.status,
                attempts_left: v.attempts_left,
                resend_at: v.resend_at,
                message: v.message.0,
                message_status: v.message.1,
                expires_at: self.now.steady().plus(HONOURED),
            };
            self.tx.put_answered(&once.client, &once.key, &record)?;
        }
        Ok(())
    }
}

/// SHA-256 over fields, each preceded by its length.
fn fingerprint<F: AsRef<str>>(fields: &[F]) -> [u8; 32] {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    for field in fields.iter().map(AsRef::as_ref) {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hash.finalize().into()
}
