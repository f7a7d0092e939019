//! The rules for a room's settings.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    auth::Actor,
    chat::{Chat, membership},
    contract::{
        FieldError, RoomType, Visibility, names_nothing,
        room::{CreateRoom, UpdateRoom},
        text,
    },
    error::{Error, Result},
};
use entity::room;

/// A new room: its shape by its type, and every text.
pub(super) fn check_new(chat: &Chat, actor: &Actor, request: &CreateRoom) -> Result<()> {
    let others = request.member_ids.iter().filter(|id| **id != actor.user_id).collect::<BTreeSet<_>>().len();
    let shape = match request.room_type {
        RoomType::Direct if others != 1 || request.member_ids.contains(&actor.user_id) => {
            Err(FieldError::new("member_ids", "direct", "must name exactly one other person"))
        }
        RoomType::Direct if request.visibility.is_some_and(|visibility| visibility != Visibility::Private) => {
            Err(FieldError::new("visibility", "direct", "a direct room must be private"))
        }
        RoomType::Group if request.name.is_none() => {
            Err(FieldError::new("name", "missing", "a group must have a name"))
        }
        _ => Ok(()),
    };
    Error::check([
        shape,
        membership::at_most(&request.member_ids, "member_ids"),
        request.name.as_deref().map_or(Ok(()), |name| text::name("name", name, 100)),
        check_description(request.description.as_deref()),
        check_max_members(chat, request.max_members),
        check_slow_mode(request.slow_mode_seconds),
        request.ai_model.as_deref().map_or(Ok(()), |model| text::name("ai_model", model, 64)),
    ])
}

/// A room's settings, for its audit list.
pub(super) fn settings(room: &room::Model) -> serde_json::Value {
    json!({
        "name": room.name,
        "description": room.description,
        "avatar_url": room.avatar_url,
        "avatar_media_id": room.avatar_media_id,
        "visibility": room.visibility,
        "max_members": room.max_members,
        "history": room.history,
        "slow_mode_seconds": room.slow_mode_seconds,
        "ai_enabled": room.ai_enabled,
        "ai_model": room.ai_model,
    })
}

/// New settings.
pub(super) fn check_update(chat: &Chat, request: &UpdateRoom) -> Result<()> {
    if *request == UpdateRoom::default() {
        return Err(names_nothing(UpdateRoom::FIELDS).into());
    }
    Error::check([
        request.name.as_deref().map_or(Ok(()), |name| text::name("name", name, 100)),
        check_description(request.description.as_ref().and_then(Option::as_deref)),
        check_max_members(chat, request.max_members.flatten()),
        check_slow_mode(request.slow_mode_seconds),
        request.ai_model.iter().flatten().try_for_each(|model| text::name("ai_model", model, 64)),
    ])
}

fn check_description(text: Option<&str>) -> Result<(), FieldError> {
    text.map_or(Ok(()), |text| text::prose("description", text, 1000))
}

fn check_max_members(chat: &Chat, max: Option<i32>) -> Result<(), FieldError> {
    let most = chat.rooms.max_members;
    match max {
        Some(max) if !(2..=most).contains(&max) => {
            Err(FieldError::new("max_members", "range", format!("must be 2 to {most}")))
        }
        _ => Ok(()),
    }
}

fn check_slow_mode(seconds: Option<i32>) -> Result<(), FieldError> {
    match seconds {
        Some(seconds) if !(0..=21_600).contains(&seconds) => {
            Err(FieldError::new("slow_mode_seconds", "range", "must be 0 to 21,600"))
        }
        _ => Ok(()),
    }
}
