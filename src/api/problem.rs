//! Problems (RFC 9457, `application/problem+json`) and the one table from [`GatewayError`] to them.

use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::reply::{json, with};
use super::wire;
use crate::gateway::{GatewayError, seconds};
use crate::id::VerificationId;

/// A request that was refused, and why. `detail` never repeats what the client sent in confidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The code in the API's contract.
    pub code: &'static str,
    /// A sentence for a person.
    pub detail: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// The verification that is in the way.
    pub verification: Option<VerificationId>,
    /// A 404 because another client made the thing.
    pub hides: bool,
}

/// Every code that a problem may have, with its title.
pub const CODES: &[(&str, &str)] = &[
    ("invalid_request", "The request is not valid"),
    ("not_allowed", "The client may not do this"),
    ("not_found", "There is no such thing"),
    ("method_not_allowed", "The path does not know this method"),
    ("timeout", "The request came too slowly"),
    ("conflict", "The state does not allow it"),
    ("too_large", "The body is too large"),
    ("unsupported_media_type", "The body is not JSON"),
    ("uri_too_long", "The target of the request is too long"),
    ("head_too_large", "The head of the request is too large"),
    ("invalid_number", "Not a telephone number"),
    ("destination_blocked", "The policy forbids this destination"),
    ("text_too_long", "The text is too long"),
    ("unknown_service", "No such service"),
    ("idempotency_mismatch", "The idempotency key was used with another body"),
    ("cooldown", "The last message is too fresh"),
    ("rate_limited", "A limit is used up"),
    ("queue_full", "Too many messages wait"),
    ("storage", "The store cannot write"),
    ("shutting_down", "The daemon is shutting down"),
    ("too_many_connections", "Too many connections are open"),
    ("internal", "A fault of the daemon"),
    ("not_implemented", "The daemon does not know this part of HTTP"),
    ("version_not_supported", "The daemon speaks HTTP/1.1"),
];

/// When to try again while too many messages wait, of which nobody knows how long they take.
const QUEUE_FULL: Duration = Duration::from_secs(5);
/// The same while the disk is full, which somebody has to change.
const NO_ROOM: Duration = Duration::from_secs(5);
/// After these the connection is closed: the rest of the body stands between the answer and the next request.
const CLOSING: &[StatusCode] =
    &[StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::NOT_IMPLEMENTED];

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, verification: None, hides: false }
    }

    /// Whether the client asked for what it may not have: a 403, or a 404 that hides what another client made.
    pub fn is_denial(&self) -> bool {
        self.status == StatusCode::FORBIDDEN || self.hides
    }

    /// 400: the request is not valid for this path.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    /// 422: a field or parameter that this path does not know.
    pub fn unknown_name(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail)
    }

    /// 403.
    pub fn not_allowed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not_allowed", detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 405; the router adds `Allow`.
    pub fn method_not_allowed() -> Self {
        let detail = "this path does not know this method; see the Allow header";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// 408 for a body.
    pub fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not arrive in time")
    }

    /// 408 for a head.
    pub fn slow_head() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the head of the request did not arrive in time")
    }

    /// 414.
    pub fn uri_too_long() -> Self {
        Self::new(StatusCode::URI_TOO_LONG, "uri_too_long", "no path and query of the API is that long")
    }

    /// 431.
    pub fn head_too_large() -> Self {
        let detail = "the head of a request has at most 64 KiB and 100 headers";
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", detail)
    }

    /// 501: how the body is encoded on its way.
    pub fn transfer_coding() -> Self {
        let detail = "the only transfer coding is chunked";
        Self::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", detail)
    }

    /// 503 for a connection.
    pub fn too_many_connections() -> Self {
        let detail = "too many connections of this user, or of all users, are open; the limits are \
            api.max_connections_per_uid and api.max_connections";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", detail);
        Self { retry_after: Some(Duration::from_secs(1)), ..problem }
    }

    /// 505.
    pub fn version() -> Self {
        let detail = "the API speaks HTTP/1.1; with HTTP/2 or another version nobody can answer";
        Self::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "version_not_supported", detail)
    }

    /// 415.
    pub fn media_type(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    /// 413.
    pub fn too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("a body has at most {limit} octets"))
    }
}

impl From<GatewayError> for Problem {
    fn from(error: GatewayError) -> Self {
        use GatewayError as E;
        let retry_after = match &error {
            E::Cooldown { retry_after, .. }
            | E::RateLimited { retry_after, .. }
            | E::Overloaded { retry_after } => Some(*retry_after),
            E::QueueFull => Some(QUEUE_FULL),
            E::NotNow(_) => Some(NO_ROOM),
            _ => None,
        };
        let verification = match &error {
            E::Cooldown { verification, .. } => Some(*verification),
            _ => None,
        };
        let (status, code) = match &error {
            E::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            E::SwitchedOff(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request"),
            E::NotAllowed(_) => (StatusCode::FORBIDDEN, "not_allowed"),
            E::NotFound(_) | E::Hidden(_) | E::NotOwn(_) => (StatusCode::NOT_FOUND, "not_found"),
            E::Conflict(_) | E::NameTaken(_) => (StatusCode::CONFLICT, "conflict"),
            E::InvalidNumber(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_number"),
            E::DestinationBlocked(_) | E::OptedOut => {
                (StatusCode::UNPROCESSABLE_ENTITY, "destination_blocked")
            }
            E::TextTooLong(_) => (StatusCode::UNPROCESSABLE_ENTITY, "text_too_long"),
            E::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            E::UnknownService => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_service"),
            E::IdempotencyMismatch => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_mismatch"),
            E::Cooldown { .. } => (StatusCode::TOO_MANY_REQUESTS, "cooldown"),
            E::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            E::QueueFull | E::Overloaded { .. } => (StatusCode::SERVICE_UNAVAILABLE, "queue_full"),
            E::Storage(_) | E::NotNow(_) => (StatusCode::SERVICE_UNAVAILABLE, "storage"),
            E::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
            E::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        let hides = matches!(error, E::Hidden(_) | E::NotOwn(_));
        let problem = Self { status, code, detail: error.to_string(), retry_after, verification, hides };
        if status.is_server_error() {
            tracing::warn!(code, "a request was not done, {code}: {}", problem.detail);
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = CODES.iter().find(|(code, _)| *code == self.code).map_or("", |(_, title)| title);
        let body = wire::Problem {
            r#type: format!("urn:smsotp:problem:{}", self.code),
            title: title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.to_owned(),
            verification: self.verification.map(|id| id.to_string()),
        };
        let mut response = with(json(self.status, &body), header::CONTENT_TYPE, "application/problem+json");
        if let Some(span) = self.retry_after {
            // A client that is told 0 would try again at once.
            response = with(response, header::RETRY_AFTER, &seconds(&span).max(1).to_string());
        }
        if CLOSING.contains(&self.status) {
            response = with(response, header::CONNECTION, "close");
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn every_refusal_has_the_contracts_status_and_code() {
        use GatewayError as E;
        let s = || "why".to_owned();
        let minute = Duration::from_millis(59_001);
        let limit = "per_number".to_owned();
        let verification = VerificationId::from_bytes([7; 16]);
        for (error, status, code) in [
            (E::InvalidRequest(s()), 400, "invalid_request"),
            (E::SwitchedOff(s()), 422, "invalid_request"),
            (E::NotAllowed(s()), 403, "not_allowed"),
            (E::NotFound("message"), 404, "not_found"),
            (E::Hidden("message"), 404, "not_found"),
            (E::NotOwn("message"), 404, "not_found"),
            (E::Conflict(s()), 409, "conflict"),
            (E::InvalidNumber(s()), 422, "invalid_number"),
            (E::DestinationBlocked(s()), 422, "destination_blocked"),
            (E::OptedOut, 422, "destination_blocked"),
            (E::TextTooLong(s()), 422, "text_too_long"),
            (E::TooLarge, 413, "too_large"),
            (E::UnknownService, 422, "unknown_service"),
            (E::IdempotencyMismatch, 422, "idempotency_mismatch"),
            (E::Cooldown { retry_after: minute, verification }, 429, "cooldown"),
            (E::RateLimited { limit, retry_after: minute }, 429, "rate_limited"),
            (E::QueueFull, 503, "queue_full"),
            (E::Overloaded { retry_after: minute }, 503, "queue_full"),
            (E::Storage(s()), 503, "storage"),
            (E::NotNow(StoreError::NoRoom), 503, "storage"),
            (E::ShuttingDown, 503, "shutting_down"),
            (E::Internal(s()), 500, "internal"),
        ] {
            let full = matches!(error, E::QueueFull | E::NotNow(_)).then_some("5");
            let denied = matches!(error, E::NotAllowed(_) | E::Hidden(_) | E::NotOwn(_));
            let problem = Problem::from(error);
            assert_eq!(problem.is_denial(), denied);
            let problem_wait = problem.retry_after == Some(minute);
            assert_eq!(problem_wait, status == 429 || problem.detail.contains("60 s"), "{code}");
            assert_eq!((problem.status.as_u16(), problem.code), (status, code));
            assert!(CODES.iter().any(|(known, _)| *known == code));
            let response = problem.into_response();
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            let retry_after = response.headers().get("retry-after").map(|v| v.to_str().unwrap());
            let told = if problem_wait { Some("60") } else { full };
            assert_eq!(retry_after, told);
        }
    }
}
