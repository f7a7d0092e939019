//! Audit records: written in the transaction of the action, so that no action is without its record.

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;

use super::{
    Chat, find,
    permission::{Capability, Permit},
};
use crate::{
    auth::Actor,
    contract::{
        AuditAction, AuditId, MessageId, RoomId, Timestamp, UserId,
        audit::AuditEntry,
        list::{AuditList, PageQuery},
    },
    db::{Transaction, insert::insert_all},
    error::{Error, Result},
};
use entity::audit_entry;

/// An action for the audit list.
#[derive(Debug)]
pub(crate) struct Record {
    action: AuditAction,
    user_id: Option<UserId>,
    message_id: Option<MessageId>,
    before: Option<Value>,
    after: Option<Value>,
}

impl Record {
    /// Something done to the room itself.
    pub(crate) fn new(action: AuditAction) -> Self {
        Self { action, user_id: None, message_id: None, before: None, after: None }
    }

    /// The affected user.
    pub(crate) fn to(self, user: UserId) -> Self {
        Self { user_id: Some(user), ..self }
    }

    /// To which message.
    pub(super) fn message(self, message: MessageId) -> Self {
        Self { message_id: Some(message), ..self }
    }

    /// What was: a JSON object of what the record changed.
    pub(super) fn before(self, before: Value) -> Self {
        Self { before: Some(before), ..self }
    }

    /// What is since.
    pub(super) fn after(self, after: Value) -> Self {
        Self { after: Some(after), ..self }
    }
}

/// Writes audit records of one actor in a room.
pub(crate) async fn enter(
    tx: &Transaction,
    permit: &Permit,
    records: impl IntoIterator<Item = Record>,
    now: Timestamp,
) -> Result<()> {
    let rows: Vec<_> = records
        .into_iter()
        .map(|record| audit_entry::Model {
            id: AuditId::new(),
            room_id: permit.room_id(),
            actor_id: permit.user_id(),
            action: record.action,
            user_id: record.user_id,
            message_id: record.message_id,
            before: record.before.map(|value| value.to_string()),
            after: record.after.map(|value| value.to_string()),
            created_at: now,
        })
        .collect();
    insert_all::<audit_entry::Entity>(tx, &rows).await
}

/// The audit records of a room, the latest first.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn list(chat: &Chat, actor: &Actor, room_id: RoomId, page: PageQuery) -> Result<AuditList> {
    let page = page.check()?;
    let db = chat.db.read();
    let (_, _, membership) = find::room(db, actor.user_id, room_id).await?;
    membership.permit(Capability::Audit)?;
    let all = audit_entry::Entity::find().filter(audit_entry::Column::RoomId.eq(room_id));
    let total = all.clone().count(db).await?;
    let rows = all.order_by_desc(audit_entry::Column::Id).offset(page.offset()).limit(page.size()).all(db).await?;
    let entries = rows.into_iter().map(shown).collect::<Result<_>>()?;
    Ok(AuditList { entries, info: page.info(total) })
}

fn shown(row: audit_entry::Model) -> Result<AuditEntry> {
    let read = |text: Option<String>| text.map(|text| serde_json::from_str(&text).map_err(Error::internal)).transpose();
    Ok(AuditEntry {
        id: row.id,
        actor_id: row.actor_id,
        action: row.action,
        user_id: row.user_id,
        message_id: row.message_id,
        before: read(row.before)?,
        after: read(row.after)?,
        created_at: row.created_at,
    })
}

/// What two JSON objects differ in: of each, the fields that the other has otherwise.
pub(super) fn difference(before: &Value, after: &Value) -> (Value, Value) {
    let part = |of: &Value, other: &Value| {
        let fields = of.as_object().into_iter().flatten().filter(|(key, value)| other.get(*key) != Some(*value));
        Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect())
    };
    (part(before, after), part(after, before))
}
