//! The route `/v1/limits`: what an issue would meet.

use axum::http::StatusCode;

use super::fields::Fields;
use super::problem::Problem;
use super::reply::json;
use super::request::{Authorised, Reply};
use super::wire;
use crate::gateway::{LimitsRequest, LimitsView, WindowView};

/// `POST /v1/limits`.
pub(super) async fn show(mut request: Authorised) -> Reply {
    let take = |fields: &mut Fields| LimitsRequest {
        to: fields.wanted_text("to"),
        service: fields.text("service"),
        keys: fields.texts("keys"),
    };
    let asked = request.fields(take).await?;
    let view = request.app.service.limits(request.caller, asked).await?;
    Ok(json(StatusCode::OK, &told(view)))
}

/// The refusal has the code and the sentence that an issue would be refused with.
fn told(view: LimitsView) -> wire::Limits {
    let refused = view.refused.map(Problem::from);
    let window = |w: &WindowView| wire::LimitWindow {
        name: w.name.clone(),
        used: w.used,
        limit: w.limit,
        resets_at: w.resets_at.to_string(),
    };
    wire::Limits {
        would: if refused.is_some() { "refuse" } else { "issue" }.to_owned(),
        code: refused.as_ref().map(|problem| problem.code.to_owned()),
        detail: refused.map(|problem| problem.detail),
        windows: view.windows.iter().map(window).collect(),
    }
}
