//! Search.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::extract::Query;
use crate::{
    app::App,
    auth::Actor,
    contract::{list::FoundList, search::Search},
    error::Result,
    search,
};

/// Search messages
///
/// Among the messages that you may read, the newest first; matches with the same accents as the query come before the others. `total`
/// counts to 1,000.
#[utoipa::path(
    get,
    path = "/api/chat/search",
    operation_id = "search_messages",
    tag = "messages",
    params(Search),
    responses(
        (status = 200, description = "A page of messages", body = FoundList),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn search(
    State(app): State<Arc<App>>,
    actor: Actor,
    Query(query): Query<Search>,
) -> Result<Json<FoundList>> {
    search::search(&app.chat, &actor, query).await.map(Json)
}
