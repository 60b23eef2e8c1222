//! The routes of `/v1/inbox` and `/v1/opt-outs`.

use axum::http::StatusCode;

use super::reply::json;
use super::request::{Authorised, Reply};
use super::wire;
use crate::gateway::InboxFilter;
use crate::hex;
use crate::inbox::Tag;

/// `GET /v1/inbox`.
pub(super) async fn list(request: Authorised) -> Reply {
    let before = request.cursor(|cursor| cursor.parse().ok())?;
    let page = request.app.service.inbox(InboxFilter { limit: request.limit()?, before }).await?;
    Ok(json(StatusCode::OK, &wire::Inbox::from(&page)))
}

/// `DELETE /v1/inbox/{id}`: the answer is the message, for the last time.
pub(super) async fn delete(request: Authorised) -> Reply {
    let view = request.app.service.delete_inbox(request.id("received message")?).await?;
    Ok(json(StatusCode::OK, &wire::InboxMessage::from(&view)))
}

/// `GET /v1/opt-outs`.
pub(super) async fn opt_outs(request: Authorised) -> Reply {
    let after = request.cursor(|cursor| {
        let mut tag = Tag::default();
        hex::decode(cursor.as_bytes(), &mut tag).ok().map(|()| tag)
    })?;
    let page = request.app.service.opt_outs(request.limit()?, after).await?;
    Ok(json(StatusCode::OK, &wire::OptOuts::from(&page)))
}

/// `PUT /v1/opt-outs/{phone}`.
pub(super) async fn add_opt_out(mut request: Authorised) -> Reply {
    request.no_fields().await?;
    let view = request.app.service.add_opt_out(request.caller.clone(), request.name()).await?;
    Ok(json(StatusCode::OK, &wire::OptOut::from(&view)))
}

/// `DELETE /v1/opt-outs/{phone}`.
pub(super) async fn remove_opt_out(request: Authorised) -> Reply {
    let view = request.app.service.remove_opt_out(request.caller.clone(), request.name()).await?;
    Ok(json(StatusCode::OK, &wire::OptOut::from(&view)))
}
