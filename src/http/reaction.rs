//! Reactions.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    extract::Body,
    path::{MessagePath, ReactionPath},
};
use crate::{
    app::App,
    auth::Actor,
    chat,
    contract::reaction::{React, Reactions},
    error::Result,
};

/// Add a reaction to a message
#[utoipa::path(
    post,
    path = "/api/chat/messages/{id}/reactions",
    operation_id = "react",
    tag = "messages",
    params(MessagePath),
    request_body = React,
    responses(
        (status = 200, description = "The reactions to the message", body = Reactions),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn react(
    State(app): State<Arc<App>>,
    actor: Actor,
    message: MessagePath,
    Body(React { emoji }): Body<React>,
) -> Result<Json<Reactions>> {
    chat::reaction::add(&app.chat, &actor, message.id, &emoji).await.map(Json)
}

/// Add this reaction to a message
#[utoipa::path(
    put,
    path = "/api/chat/messages/{id}/reactions/{emoji}",
    operation_id = "add_reaction",
    tag = "messages",
    params(ReactionPath),
    responses(
        (status = 200, description = "The reactions to the message", body = Reactions),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    actor: Actor,
    ReactionPath { id, emoji }: ReactionPath,
) -> Result<Json<Reactions>> {
    chat::reaction::add(&app.chat, &actor, id, &emoji).await.map(Json)
}

/// Remove your reaction from a message
#[utoipa::path(
    delete,
    path = "/api/chat/messages/{id}/reactions/{emoji}",
    operation_id = "remove_reaction",
    tag = "messages",
    params(ReactionPath),
    responses(
        (status = 200, description = "The remaining reactions to the message", body = Reactions),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    actor: Actor,
    ReactionPath { id, emoji }: ReactionPath,
) -> Result<Json<Reactions>> {
    chat::reaction::remove(&app.chat, &actor, id, &emoji).await.map(Json)
}
