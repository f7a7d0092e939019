//! Reactions.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::extract::{Body, Id};
use crate::{
    app::App,
    auth::Actor,
    chat,
    contract::{
        MessageId,
        reaction::{React, Reactions},
    },
    error::Result,
};

/// Put an emoji under a message
#[utoipa::path(
    post,
    path = "/api/chat/messages/{id}/reactions",
    operation_id = "react",
    tag = "messages",
    params(("id" = MessageId, Path, description = "Which message")),
    request_body = React,
    responses(
        (status = 200, description = "What stands under the message", body = Reactions),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn react(
    State(app): State<Arc<App>>,
    actor: Actor,
    Id(id): Id<MessageId>,
    Body(React { emoji }): Body<React>,
) -> Result<Json<Reactions>> {
    chat::reaction::add(&app.chat, &actor, id, &emoji).await.map(Json)
}

/// Put this emoji under a message
#[utoipa::path(
    put,
    path = "/api/chat/messages/{id}/reactions/{emoji}",
    operation_id = "add_reaction",
    tag = "messages",
    params(
        ("id" = MessageId, Path, description = "Which message"),
        ("emoji" = String, Path, min_length = 1, max_length = 64, description = "One emoji, percent-encoded"),
    ),
    responses(
        (status = 200, description = "What stands under the message", body = Reactions),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    actor: Actor,
    Id((id, emoji)): Id<(MessageId, String)>,
) -> Result<Json<Reactions>> {
    chat::reaction::add(&app.chat, &actor, id, &emoji).await.map(Json)
}

/// Take your emoji away
#[utoipa::path(
    delete,
    path = "/api/chat/messages/{id}/reactions/{emoji}",
    operation_id = "remove_reaction",
    tag = "messages",
    params(
        ("id" = MessageId, Path, description = "Which message"),
        ("emoji" = String, Path, min_length = 1, max_length = 64, description = "One emoji, percent-encoded"),
    ),
    responses(
        (status = 200, description = "What stands under the message still", body = Reactions),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    actor: Actor,
    Id((id, emoji)): Id<(MessageId, String)>,
) -> Result<Json<Reactions>> {
    chat::reaction::remove(&app.chat, &actor, id, &emoji).await.map(Json)
}
